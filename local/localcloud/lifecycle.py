"""Start, stop and find local clouds from other programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcloud.connection import Connection, read_connection
from localcloud.home_lock import owner_of

__all__ = ["Connection", "StartError", "start", "status", "stop"]

_START_SECONDS = 600
_STOP_SECONDS = 20
_POLL_SECONDS = 0.05
_TAIL_LINES = 15

# Clouds that this process started, by home: their ends are collected here and by nobody else.
_started: dict[Path, subprocess.Popen[bytes]] = {}


class StartError(RuntimeError):
    """The local cloud ended before it was ready; the message ends with its log."""


def start(
    home: Path,
    repo: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    bind_to_this_process: bool = False,
    record: Path | None = None,
    on_progress: Callable[[str], None],
) -> Connection:
    """Start a local cloud in ``home`` and return when it is ready; one that runs is kept.

    ``bind_to_this_process`` makes it end with the caller, however that ends; otherwise it outlives
    the caller. ``record`` is a folder that gets what callers ask of it. ``on_progress`` is told
    each step. Raises StartError.
    """
    running = status(home)
    if running is not None:
        on_progress("running already")
        return running
    log = home / "log" / "start.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    options = _options(parameters or {}, bind_to_this_process, record)
    process = _spawn(home, repo, options, log)
    try:
        connection = _wait(process, home, log, on_progress)
    except BaseException:
        _end(process)
        raise
    _started[home] = process
    return connection


def stop(home: Path) -> bool:
    """Stop the local cloud in ``home`` and return when its processes are gone; False: none ran."""
    pid = owner_of(home)
    if pid is None:
        return False
    _signal(pid, signal.SIGTERM)
    if not _is_gone(home, _STOP_SECONDS):
        # The watchdog ends its children.
        _signal(pid, signal.SIGKILL)
        _is_gone(home, _STOP_SECONDS)
    process = _started.pop(home, None)
    if process is not None:
        process.wait()
    return True


def status(home: Path) -> Connection | None:
    """Return how to reach the local cloud in ``home``, None when none is ready there."""
    return read_connection(home) if owner_of(home) is not None else None


def _options(parameters: Mapping[str, str], is_bound: bool, record: Path | None) -> list[str]:
    options = ["--parent-pid", str(os.getpid())] if is_bound else []
    for name, value in parameters.items():
        options += ["--parameter", f"{name}={value}"]
    return options if record is None else [*options, "--record", str(record)]


def _spawn(
    home: Path,
    repo: Path,
    options: Sequence[str],
    log: Path,
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "localcloud", "--home", str(home), "--repo", str(repo)]
    command += options
    package_directory = str(Path(__file__).resolve().parents[1])
    paths = [package_directory, os.environ.get("PYTHONPATH", "")]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A terminal's Ctrl-C is for the caller, which decides what becomes of the cloud.
            start_new_session=True,
        )


def _wait(
    process: subprocess.Popen[bytes],
    home: Path,
    log: Path,
    on_progress: Callable[[str], None],
) -> Connection:
    told = 0
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        complete = [line.strip() for line in lines if line.endswith("\n")]
        for line in complete[told:]:
            on_progress(line)
        told = len(complete)
        if has_ended:
            raise StartError(f"The local cloud did not start:\n{_tail(log)}")
        if "ready" in complete:
            connection = read_connection(home)
            if connection is not None:
                return connection
        time.sleep(_POLL_SECONDS)
    raise StartError(f"The local cloud was not ready after {_START_SECONDS} seconds:\n{_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-_TAIL_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_gone(home: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if owner_of(home) is None:
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
