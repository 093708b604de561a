"""Whether two patterns with ``*`` can stand for the same text."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def overlap(one: str, other: str) -> bool:
    """Return whether some text fits both patterns; ``*`` is any text, also none."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])
