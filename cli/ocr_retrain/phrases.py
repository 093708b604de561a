"""How numbers and moments read in English."""

from __future__ import annotations

from datetime import datetime, timedelta

_MINUTE = 60.0
_HOUR = 3600.0


def duration(seconds: float) -> str:
    """Return ``0.4 s``, ``12 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    if round(seconds) < _HOUR:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min"


def between(start: datetime, end: datetime) -> float:
    """Return the seconds from ``start`` to ``end``."""
    return (end - start) / timedelta(seconds=1)


def percent(fraction: float) -> str:
    """Return a fraction 0..1 as ``87.3 %``."""
    return f"{fraction * 100:.1f} %"


def points(fraction: float) -> str:
    """Return a difference of two fractions in percentage points, with its sign."""
    rounded = round(fraction * 100, 1)
    sign = "+" if rounded > 0 else "-" if rounded < 0 else "±"
    return f"{sign}{abs(rounded):.1f}"


def size(number_of_bytes: int) -> str:
    """Return ``512 B``, ``3.4 kB`` or ``12.0 MB`` (decimal units)."""
    if number_of_bytes < 1000:
        return f"{number_of_bytes} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if number_of_bytes < factor * 1000:
            return f"{number_of_bytes / factor:.1f} {unit}"
    return f"{number_of_bytes / 1e9:.1f} GB"


def count(number: int, singular: str, plural: str = "") -> str:
    """Return ``1 file``, ``2 files``, ``1,234 files``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def moment(when: datetime) -> str:
    """Return a moment in the reader's own time zone, to the second."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
