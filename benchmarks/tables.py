"""Tables in Markdown, and the numbers in them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

MISSING = "–"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, the columns aligned so that it can be read as it stands."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in table]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def percent(values: Sequence[float | None]) -> str:
    """Return fractions as a mean in percent with their spread, e.g. `91.2 ± 1.1`."""
    known = [100 * value for value in values if value is not None]
    return spread(known, "{:.1f}")


def number(values: Sequence[float | None], form: str = "{:.0f}") -> str:
    """Return numbers as a mean with their spread."""
    return spread([value for value in values if value is not None], form)


def spread(values: Sequence[float], form: str) -> str:
    """Return the mean and, of several values, the largest distance of one from it (unsigned)."""
    if not values:
        return MISSING
    mean = statistics.fmean(values)
    if len(values) == 1:
        return form.format(mean)
    distance = max(abs(value - mean) for value in values)
    return f"{form.format(mean)} ± {form.replace('+', '').format(distance)}"
