"""The ablation as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks import tables
from benchmarks.training.runs import Run, Scores

_HEADER = ("domain", "variant", "new", "general", "chinese", "new characters", "seconds", "peak GB")
_GIGABYTE = 1e9
BEFORE = "(before)"


def report(runs: Mapping[str, Sequence[Run]], failures: Mapping[str, str]) -> str:
    """Return a table per domain and variant; `runs` and `failures` are by variant."""
    domains = dict.fromkeys(run.domain for each in runs.values() for run in each)
    rows: list[list[str]] = []
    for domain in domains:
        found = {name: [run for run in each if run.domain == domain] for name, each in runs.items()}
        every = [run for each in found.values() for run in each]
        rows.append([domain, BEFORE, *_scores([run.before for run in every[:1]]), "", ""])
        rows += [
            [
                domain,
                name,
                *_scores([run.best for run in each]),
                tables.number([run.seconds for run in each]),
                tables.number([run.peak_bytes / _GIGABYTE for run in each], "{:.1f}"),
            ]
            for name, each in found.items()
            if each
        ]
    parts = [tables.markdown(_HEADER, rows)]
    parts += [f"{name} could not be run: {reason}" for name, reason in failures.items()]
    return "\n\n".join(parts)


def _scores(scores: Sequence[Scores]) -> tuple[str, str, str, str]:
    return (
        tables.percent([each.new for each in scores]),
        tables.percent([each.general for each in scores]),
        tables.percent([each.chinese for each in scores]),
        tables.percent([each.recall for each in scores]),
    )
