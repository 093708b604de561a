"""The reasons for a local cloud to end: a signal, or the death of the process it belongs to."""

from __future__ import annotations

import os
import signal
import threading
import time

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PARENT_POLL_SECONDS = 0.3


class Ending:
    """Turns those reasons into SystemExit in the main thread, whatever it is doing."""

    def __init__(self, parent_pid: int | None) -> None:
        """Watch from now on; call it in the main thread."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        if parent_pid is not None:
            threading.Thread(
                target=_end_with, args=(parent_pid,), name="parent", daemon=True
            ).start()

    def wait(self) -> None:
        """Sleep until there is a reason; raises SystemExit then."""
        while True:
            signal.pause()

    def ignore_further(self) -> None:
        """Let nothing interrupt the cleaning up."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: object) -> None:
        del number, frame
        self.ignore_further()
        raise SystemExit(0)


def _end_with(parent_pid: int) -> None:
    # A child is given to another parent when its own dies, even if that one stays a zombie.
    is_child = os.getppid() == parent_pid
    while os.getppid() == parent_pid if is_child else _exists(parent_pid):
        time.sleep(_PARENT_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
