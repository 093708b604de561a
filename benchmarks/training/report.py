"""The comparison as a table in Markdown."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks import tables
from benchmarks.domains import DOMAINS
from benchmarks.training.runs import OURS, Run, Scores, seconds_to_nearly_best

_HEADER = (
    "domain",
    "lines",
    "contender",
    "new before",
    "new after",
    "general before",
    "general after",
    "chinese before",
    "chinese after",
    "new characters",
    "s to 90 % of best",
    "s in all",
    "images/s",
    "peak GB",
)
_RATIOS = ("domain", "lines", "contender", "new, points", "general, points", "chinese, points")
_MORE_RATIOS = ("time to 90 %", "images/s", "memory")
_GIGABYTE = 1e9


def report(runs: Sequence[Run]) -> str:
    """Return the table of all runs and the table of how others compare with ours."""
    parts = [
        "Exact match in percent, mean over seeds ± the largest distance from it. *after* is the "
        "best of the contender's checkpoints, chosen on the test lines for others; ours has one. "
        "*new characters* is the share of the characters that the base lacks that was read. Our "
        "time is the whole job's. *–* in the time column: never reached.",
        tables.markdown(_HEADER, [_row(group, runs) for group in _groups(runs)]),
    ]
    comparisons = _comparisons(runs)
    if comparisons:
        parts += [
            "Others compared with ours on the same lines: points that ours is better; how many "
            "times as long they take, how many times as fast ours is, how much more memory they "
            "need.",
            tables.markdown((*_RATIOS, *_MORE_RATIOS), comparisons),
        ]
    versions = sorted({run.made_by for run in runs if run.made_by})
    if len(versions) > 1:
        parts.append(
            f"Ours was made by {len(versions)} versions of the trainer ({', '.join(versions)}); "
            "delete the results file to measure again."
        )
    return "\n\n".join(parts)


def _groups(runs: Iterable[Run]) -> list[list[Run]]:
    order = {name: position for position, name in enumerate(DOMAINS)}

    def key(run: Run) -> tuple[int, int, bool, str, str]:
        ours = run.contender.startswith(OURS)
        return order.get(run.domain, 99), run.size, not ours, run.contender, run.base

    return [list(group) for _, group in itertools.groupby(sorted(runs, key=key), key)]


def _row(group: Sequence[Run], runs: Sequence[Run]) -> list[str]:
    first = group[0]
    times = [seconds_to_nearly_best(run, runs) for run in group]
    return [
        first.domain,
        str(first.size),
        f"{first.contender} ({first.base})"
        if first.contender.startswith(OURS)
        else first.contender,
        *_before_and_after(group, lambda scores: scores.new),
        *_before_and_after(group, lambda scores: scores.general),
        *_before_and_after(group, lambda scores: scores.chinese),
        tables.percent([run.best.recall for run in group]),
        _time(times),
        _duration(group),
        tables.number([run.images_per_second for run in group], "{:.1f}"),
        tables.number([run.peak_bytes / _GIGABYTE for run in group], "{:.1f}"),
    ]


def _duration(group: Sequence[Run]) -> str:
    taken = tables.number([run.seconds for run in group])
    given = [run.limit for run in group if run.limit is not None]
    return f"{taken} of {tables.number(given)}" if given else taken


def _before_and_after(
    group: Sequence[Run], score: Callable[[Scores], float | None]
) -> tuple[str, str]:
    before = [score(run.before) for run in group]
    return tables.percent(before), tables.percent([score(run.best) for run in group])


def _time(times: Sequence[float | None]) -> str:
    reached = [time for time in times if time is not None]
    if len(reached) == len(times):
        return tables.number(reached)
    if not reached:
        return tables.MISSING
    return f"{tables.number(reached)} ({len(reached)} of {len(times)})"


def _comparisons(runs: Sequence[Run]) -> list[list[str]]:
    rows = []
    for group in _groups(run for run in runs if not run.contender.startswith(OURS)):
        pairs = [(run, ours) for run in group if (ours := _ours_for(run, runs)) is not None]
        if pairs:
            rows.append(_comparison(pairs, runs))
    return rows


def _ours_for(run: Run, runs: Sequence[Run]) -> Run | None:
    wanted = (OURS, run.base, run.domain, run.size, run.seed)
    for other in runs:
        found = (other.contender, other.base, other.domain, other.size, other.seed)
        if found == wanted:
            return other
    return None


def _comparison(pairs: Sequence[tuple[Run, Run]], runs: Sequence[Run]) -> list[str]:
    theirs, ours = pairs[0]
    return [
        theirs.domain,
        str(theirs.size),
        theirs.contender,
        _points(pairs, lambda scores: scores.new),
        _points(pairs, lambda scores: scores.general),
        _points(pairs, lambda scores: scores.chinese),
        _time_ratio(pairs, runs),
        _ratio([(ours.images_per_second, theirs.images_per_second) for theirs, ours in pairs]),
        _ratio([(theirs.peak_bytes, ours.peak_bytes) for theirs, ours in pairs]),
    ]


def _points(pairs: Sequence[tuple[Run, Run]], score: Callable[[Scores], float | None]) -> str:
    gains = [
        100 * (mine - yours)
        for theirs, ours in pairs
        if (mine := score(ours.best)) is not None and (yours := score(theirs.best)) is not None
    ]
    return tables.spread(gains, "{:+.1f}")


def _time_ratio(pairs: Sequence[tuple[Run, Run]], runs: Sequence[Run]) -> str:
    """Return how many times as long; `>` where the others never got there in their time."""
    ratios, never = [], False
    for theirs, ours in pairs:
        mine, yours = (seconds_to_nearly_best(run, runs) for run in (ours, theirs))
        if mine is None:
            return tables.MISSING
        never = never or yours is None
        ratios.append((theirs.seconds if yours is None else yours) / mine)
    return (">" if never else "") + f"{statistics.fmean(ratios):.1f}x"


def _ratio(pairs: Sequence[tuple[float | None, float | None]]) -> str:
    known = [upper / lower for upper, lower in pairs if upper is not None and lower]
    return f"{statistics.fmean(known):.1f}x" if known else tables.MISSING
