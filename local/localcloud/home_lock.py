"""Who owns a home directory: a lock held as long as the local cloud's process lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

_FILE_NAME = "lock"


class AlreadyRunningError(RuntimeError):
    """Another local cloud uses the same home directory."""


class HomeLock:
    """Holds the lock from its creation until ``release`` or the end of the process."""

    def __init__(self, home: Path) -> None:
        """Take the lock and leave this process's id in it; raises AlreadyRunningError."""
        self._file: IO[str] = (home / _FILE_NAME).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise AlreadyRunningError(
                f"A local cloud is running in {home} already: stop it or use another --home."
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let the next one have it."""
        self._file.close()


def owner_of(home: Path) -> int | None:
    """Return the process id of the local cloud that runs in ``home``, None when none does."""
    try:
        with (home / _FILE_NAME).open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text else None
    except FileNotFoundError:
        return None
    return None
