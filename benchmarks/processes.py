"""Running a program to its end, with its time and the memory of all its processes measured."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LOOK_EVERY = 0.2
_PATIENCE = 10.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Positions in /proc/<pid>/stat after the program's name, which may hold spaces.
_SESSION, _RESIDENT = 3, 21


class ProgramError(RuntimeError):
    """A program failed; the message is its last line and where the rest is."""


@dataclass(frozen=True)
class Finished:
    """How a program ended; `began` is in seconds since the epoch, as files' times are."""

    code: int
    began: float
    seconds: float
    peak_bytes: int
    out_of_time: bool
    log: Path

    def check(self) -> Finished:
        """Return self. Raises ProgramError unless the program ended well."""
        if self.code != 0:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
            raise ProgramError(f"{last} (exit status {self.code}; the whole log is {self.log})")
        return self


def run(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    limit: float | None = None,
) -> Finished:
    """Run a program with its output in `log`; after `limit` seconds it is ended.

    SIGTERM ends it as well, before this process: what was left running would disturb what is
    measured next.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began, started, peak = time.time(), time.monotonic(), 0
    with (
        _exit_on_sigterm(),
        log.open("wb") as output,
        subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its processes share a session of their own: that is how they are counted and ended.
            start_new_session=True,
        ) as process,
    ):
        out_of_time = False
        try:
            while process.poll() is None:
                peak = max(peak, resident_bytes(process.pid))
                if limit is not None and time.monotonic() - started > limit:
                    out_of_time = True
                    break
                time.sleep(_LOOK_EVERY)
        finally:
            seconds = time.monotonic() - started
            _end(process)
    return Finished(process.returncode, began, seconds, peak, out_of_time, log)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def resident_bytes(session: int) -> int:
    """Return the resident memory of all processes of a session; 0 where /proc does not tell."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[_SESSION]) == session:
            total += int(fields[_RESIDENT]) * _PAGE
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            continue
        return
