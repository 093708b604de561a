"""Nothing that the local cloud starts outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import processes

from .harness import REPO, eventually

# A child with a child of its own that ignores polite requests.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeper = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", sleeper, {mark!r}])
print("begun", flush=True)
time.sleep(600)
"""

PARENT = """
import sys, threading, time
sys.path.insert(0, {package!r})
from pathlib import Path
from localcloud import processes

def start():
    processes.spawn("child", [sys.executable, "-c", {child!r}, {mark!r}], env={{}}, cwd=Path("/"))

# Started by a thread that ends at once: the child must not end with it.
thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(0.5)
print("started", flush=True)
{then}
"""


@pytest.fixture
def mark() -> str:
    return f"mark-{time.time_ns()}"


@pytest.fixture
def fresh() -> Iterator[None]:
    processes.reopen()
    yield
    processes.terminate_all()
    processes.reopen()


def running(mark: str) -> list[int]:
    """Return the processes that have ``mark`` on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.usefixtures("fresh")
def test_a_child_runs_with_its_environment_and_its_output(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        child = processes.spawn(
            "printer",
            ["sh", "-c", "echo $COLOUR; pwd; echo error >&2; exit 3"],
            env={"COLOUR": "red", "PATH": os.defpath},
            cwd=tmp_path,
            output=output,
        )

    assert child.wait(10) == 3
    assert (tmp_path / "output").read_text().split() == ["red", str(tmp_path), "error"]
    assert processes.children() == ()


@pytest.mark.usefixtures("fresh")
def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no program `nobody`"):
        processes.spawn("nobody", ["nobody"], env={"PATH": "/bin"}, cwd=tmp_path)


@pytest.mark.usefixtures("fresh")
def test_terminate_all_ends_stubborn_children_and_their_children(tmp_path: Path, mark: str) -> None:
    child = processes.spawn(
        "stubborn",
        [sys.executable, "-c", STUBBORN.format(mark=mark), mark],
        env={},
        cwd=tmp_path,
        output=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    eventually(lambda: len(running(mark)) >= 2)

    processes.terminate_all(grace_seconds=0.2)

    child.stdout.close()
    assert running(mark) == []
    with pytest.raises(processes.CloudClosingError):
        processes.spawn("late", ["true"], env={"PATH": os.defpath}, cwd=tmp_path)


@pytest.mark.usefixtures("fresh")
def test_what_a_child_leaves_behind_ends_with_it(tmp_path: Path, mark: str) -> None:
    leave = f"import subprocess, sys; subprocess.Popen(['sleep', '600', {mark!r}])"
    child = processes.spawn(
        "leaver", [sys.executable, "-c", leave], env={"PATH": os.defpath}, cwd=tmp_path
    )

    child.wait(10)

    eventually(lambda: not running(mark))


@pytest.mark.parametrize("how", ["kill", "exit", "crash"])
def test_children_and_grandchildren_end_with_a_parent_that_ends_in_any_way(
    mark: str, how: str
) -> None:
    then = {
        "kill": "time.sleep(600)",
        "exit": "sys.exit(0)",
        "crash": "import os; os.abort()",
    }[how]
    program = PARENT.format(
        package=str(REPO / "local"), child=STUBBORN.format(mark=mark), mark=mark, then=then
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        if how == "kill":
            assert len([pid for pid in running(mark) if pid != parent.pid]) >= 2
            parent.send_signal(signal.SIGKILL)
        parent.wait(20)

    eventually(lambda: not running(mark))
