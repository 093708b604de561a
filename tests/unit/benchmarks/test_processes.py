import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.processes import ProgramError

MEGABYTE = 10**6
CHILD = "x = bytearray(150_000_000); import time; time.sleep(1.5)"


def test_the_memory_of_a_programs_children_counts(tmp_path: Path) -> None:
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"

    finished = processes.run([sys.executable, "-c", program], tmp_path / "log")

    assert finished.code == 0
    assert 150 * MEGABYTE < finished.peak_bytes < 400 * MEGABYTE


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    program = "import time; print('began', flush=True); time.sleep(60)"

    finished = processes.run([sys.executable, "-c", program], tmp_path / "log", limit=1.0)

    assert finished.out_of_time
    assert finished.code != 0
    assert finished.log.read_text() == "began\n"


def test_a_failure_is_told_with_the_last_line(tmp_path: Path) -> None:
    program = "import sys; print('first'); sys.exit('No images were found.')"
    finished = processes.run([sys.executable, "-c", program], tmp_path / "log")

    with pytest.raises(ProgramError, match=r"^No images were found\. \(exit status 1;"):
        finished.check()


def test_a_benchmark_that_is_ended_leaves_no_program_behind(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    benchmark = (
        "import sys; from pathlib import Path; from benchmarks import processes; "
        f"processes.run([sys.executable, '-c', {program!r}], Path({str(tmp_path / 'log')!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", benchmark]) as running:
        child = _pid_in(tmp_path / "log")
        running.terminate()
        assert running.wait(30) == 128 + signal.SIGTERM

    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def _pid_in(log: Path) -> int:
    for _ in range(300):
        if log.is_file() and log.read_text().endswith("\n"):
            return int(log.read_text())
        time.sleep(0.1)
    raise AssertionError("The program did not begin.")
