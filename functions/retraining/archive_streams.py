"""What the readers of archives have in common. No AWS."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from retraining.archive_members import RefusedArchiveError

_BUFFER_BYTES = 1024 * 1024


class SourceError(Exception):
    """The bytes of the archive cannot be fetched; that says nothing about the archive."""


class BrokenArchiveError(Exception):
    """Nothing after this place of the archive can be read; the message says why."""


class DamagedMemberError(Exception):
    """One member cannot be read; those after it can."""


@dataclass(frozen=True)
class Member:
    """A member that may be taken: its path, how many bytes it has, and how to read them.

    ``open`` works until the next member is asked for. What it gives has exactly ``size`` bytes or
    raises BrokenArchiveError or DamagedMemberError.
    """

    path: str
    size: int
    open: Callable[[], BinaryIO]


class Readable(Protocol):
    """All that is asked of what a member is read from."""

    def read(self, size: int, /) -> bytes:
        """Read so many bytes, fewer only at the end."""


@contextmanager
def faults_as(error: type[Exception], about: str = "") -> Iterator[None]:
    """Turn whatever a library raises on hostile bytes into one error.

    They raise nearly anything, RecursionError and OverflowError included.
    """
    try:
        yield
    except (SourceError, RefusedArchiveError, BrokenArchiveError, DamagedMemberError):
        raise
    except Exception as fault:
        raise error(about or f"{fault}" or type(fault).__name__) from fault


def member_stream(source: Readable, size: int, error: type[Exception]) -> BinaryIO:
    """Read a member that claims to have ``size`` bytes: these, no more, and no fewer."""
    return io.BufferedReader(_Exactly(source, size, error), _BUFFER_BYTES)


class _Exactly(io.RawIOBase):
    def __init__(self, source: Readable, size: int, error: type[Exception]) -> None:
        self._source = source
        self._left = size
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._left)
        if not wanted:
            return 0
        with faults_as(self._error):
            data = self._source.read(wanted)
        if not data:
            raise self._error("ends too early")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)
