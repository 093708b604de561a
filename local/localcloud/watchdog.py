"""A tiny process that kills the cloud's process groups when the cloud itself is killed.

The kernel's parent-death signal reaches only direct children; a job's own workers would survive a
SIGKILL of the cloud. The watchdog holds the read end of a pipe: when the cloud is gone, however it
went, the pipe closes and every group not released by then is killed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    number = int(line[1:])
    groups.add(number) if line[0] == "+" else groups.discard(number)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Watchdog:
    """Starts the watchdog process and tells it which groups to kill."""

    def __init__(self) -> None:
        """Start the process, in its own session so that no terminal signal reaches it."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self._lock = threading.Lock()

    def watch(self, group: int) -> None:
        """Kill this process group when the cloud ends."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget a group that has ended: its id may be given to a stranger."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let the watchdog kill what is left and end; returns when it has."""
        with self._lock:
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            self._process.wait()

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()
