"""Child processes that never outlive the local cloud.

A child runs in its own process group (a terminal's Ctrl-C reaches the cloud alone, which then ends
its children in order) and whole groups are signalled, so a job's own workers end with it. Three
nets catch children when the cloud ends: ``terminate_all`` on an orderly exit, the kernel's
parent-death signal, and the watchdog process, which also reaches grandchildren after a crash.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from localcloud.watchdog import Watchdog

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.02

_prctl: Callable[[int, int], int] | None = None
if sys.platform == "linux":
    # Resolved before any fork: importing or allocating in a forked child of a threaded process
    # can deadlock.
    _prctl = ctypes.CDLL(None, use_errno=True).prctl


class Child:
    """A spawned process and everything it spawns in turn (its process group)."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wrap ``process``, which must lead its own process group."""
        self.name = name
        self.pid = process.pid
        self._process = process
        self._lock = threading.Lock()

    @property
    def stdout(self) -> IO[bytes] | None:
        """The read end of the child's stdout when it was spawned with a pipe."""
        return self._process.stdout

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), or None while it runs.

        The first call that sees the end also kills what the child left in its group: when a
        container's main process ends, its other processes do too.
        """
        with self._lock:
            if self._process.returncode is None and self._has_exited():
                # Before reaping: until then the kernel cannot give the group's id to others.
                self._signal_group(signal.SIGKILL)
                self._process.wait()
                _forget(self)
            return self._process.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises subprocess.TimeoutExpired after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self._process.args, timeout or 0.0)
            time.sleep(_POLL_SECONDS)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens when it has ended."""
        with self._lock:
            if self._process.returncode is None:
                self._signal_group(number)

    def terminate(self, grace_seconds: float = 5.0) -> int:
        """SIGTERM the group, SIGKILL it after ``grace_seconds``; return the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL the group and return the exit code."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def _has_exited(self) -> bool:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, flags) is not None

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


_children: dict[int, Child] = {}
_children_lock = threading.Lock()
_watchdog: Watchdog | None = None
_closed = False


class _SpawnerThread:
    """Starts every child from one thread that lives as long as the process.

    The kernel delivers the parent-death signal when the *thread* that forked ends: a child
    spawned by a short-lived request thread would be killed with it.
    """

    def __init__(self) -> None:
        self._orders: SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = SimpleQueue()
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def popen(self, order: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((order, future))
        return future.result()

    def _run(self) -> None:
        while True:
            order, future = self._orders.get()
            try:
                future.set_result(order())
            except BaseException as error:
                future.set_exception(error)


_spawner: _SpawnerThread | None = None


class CloudClosingError(RuntimeError):
    """A child was asked for while the cloud is shutting down."""


def spawn(
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int = subprocess.DEVNULL,
) -> Child:
    """Start ``argv`` in its own process group; stdout and stderr both go to ``output``.

    ``argv[0]`` is looked up on the PATH of ``env`` when it has no slash. Raises FileNotFoundError
    when there is no such program, CloudClosingError after ``terminate_all``.
    """
    program = _find_program(argv[0], env)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(argv),
            executable=program,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_die_with_parent,
        )

    with _children_lock:
        if _closed:
            raise CloudClosingError(f"{name} was not started: the local cloud is stopping.")
        child = Child(name, _the_spawner().popen(start))
        _children[child.pid] = child
        _the_watchdog().watch(child.pid)
    return child


def children() -> tuple[Child, ...]:
    """Return the children that have not been seen to end."""
    with _children_lock:
        return tuple(_children.values())


def terminate_all(grace_seconds: float = 3.0) -> None:
    """End every child and refuse new ones; returns when none is left.

    Safe to call more than once.
    """
    global _closed
    with _children_lock:
        _closed = True
    remaining = children()
    for child in remaining:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    for child in remaining:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
    for child in remaining:
        child.kill()
    if _watchdog is not None:
        _watchdog.close()


def reopen() -> None:
    """Accept new children after ``terminate_all`` (one process, several clouds: the tests)."""
    global _closed, _watchdog
    with _children_lock:
        _closed = False
        _watchdog = None


def _the_spawner() -> _SpawnerThread:
    global _spawner
    if _spawner is None:
        _spawner = _SpawnerThread()
        atexit.register(terminate_all)
    return _spawner


def _the_watchdog() -> Watchdog:
    global _watchdog
    if _watchdog is None:
        _watchdog = Watchdog()
    return _watchdog


def _forget(child: Child) -> None:
    with _children_lock:
        _children.pop(child.pid, None)
    if _watchdog is not None:
        _watchdog.release(child.pid)


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _find_program(program: str, env: Mapping[str, str]) -> str:
    if "/" in program:
        return program
    for directory in env.get("PATH", os.defpath).split(os.pathsep):
        candidate = Path(directory, program)
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise FileNotFoundError(f"There is no program `{program}` on PATH {env.get('PATH')}.")
