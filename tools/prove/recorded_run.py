"""Makes the recorded run: the integration tests, on local clouds that write everything down."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.prove.sources import ROOT

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


class RunFailedError(RuntimeError):
    """The tests that are recorded do not pass; the message ends with what they said."""


def make(folder: Path = FOLDER) -> None:
    """Run the integration tests and record their clouds; raises RunFailedError.

    What was recorded before is removed first: an old recording proves nothing of the code of now.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tests = [f"tests/integration/{name}" for name in TESTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**os.environ, RECORDINGS: str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RunFailedError(f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
