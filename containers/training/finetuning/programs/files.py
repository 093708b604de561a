"""Files that somebody else wrote: read whole, and whatever is wrong with them said in one way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetuning.weights import WeightsError


def read_whole(path: Path, most_bytes: int) -> bytes:
    """Return what the file holds. Raises WeightsError when it cannot be read or is larger."""
    try:
        if path.stat().st_size > most_bytes:
            raise WeightsError(f"{path.name} is larger than a recognizer's file can be.")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}.") from error


@contextmanager
def damage_as(message: str) -> Iterator[None]:
    """Raise WeightsError with the message for whatever a damaged file makes its reader raise.

    A WeightsError, which says more, is passed on.
    """
    try:
        yield
    except WeightsError:
        raise
    # The errors of JSON, protocol buffers and ONNX share no base class but Exception.
    except Exception as error:
        raise WeightsError(message) from error
