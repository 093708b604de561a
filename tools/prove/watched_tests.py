"""Runs tests that write down what they saw."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tools.prove.sources import ROOT


class TestsFailedError(RuntimeError):
    """The tests that are watched do not pass; the message ends with what they said."""


def run_tests(paths: Sequence[str], variable: str, folder_or_file: str) -> None:
    """Run tests with the variable that tells them where to write; raises TestsFailedError."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
        cwd=ROOT,
        env={**os.environ, variable: folder_or_file},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise TestsFailedError(f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
