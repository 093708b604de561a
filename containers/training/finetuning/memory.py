"""Running out of memory: recognised whichever runtime reports it, and answered once."""

from __future__ import annotations

_SIGNS = ("resourceexhausted", "out of memory", "bad_alloc", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a step failed for lack of memory; Paddle says so in several ways."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError | SystemError) and any(sign in text for sign in _SIGNS)
