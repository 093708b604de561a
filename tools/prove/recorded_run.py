"""Makes the recorded run: the integration tests, on local clouds that write everything down."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.prove.sources import ROOT
from tools.prove.watched_tests import run_tests

FOLDER = ROOT / ".cache" / "recorded-run"
RECORDINGS = "OCR_RETRAIN_RECORDINGS"
# In the order in which most is seen first; the cloud of the first is used by others.
TESTS = (
    "test_whole_loop.py",
    "test_zero_downtime.py",
    "test_announcements.py",
    "test_large_uploads.py",
    "test_new_characters.py",
)


def make(folder: Path = FOLDER) -> None:
    """Run the integration tests and record their clouds; raises TestsFailedError.

    What was recorded before is removed first: an old recording proves nothing of the code of now.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tests = [f"tests/integration/{name}" for name in TESTS]
    run_tests(tests, RECORDINGS, str(folder))
