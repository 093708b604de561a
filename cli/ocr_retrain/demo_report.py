"""The last page of the demo: what was before, what is now, and where everything lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ocr_retrain.outcome import RunResult
from ocr_retrain.outcome_report import outcome_report
from ocr_retrain.verdicts import Verdict

if TYPE_CHECKING:
    from ocr_retrain.demo_evidence import Evidence


_MOST_ROWS = 12


@dataclass(frozen=True)
class SampleReading:
    """One sample image: what it says, and what the endpoint read before and after."""

    image: str
    truth: str
    before: str
    after: str


def conclusion(
    result: RunResult,
    verdict: Verdict | None,
    samples: Sequence[SampleReading],
) -> Group:
    """Return how the run ended and what the endpoint reads since."""
    parts: list[RenderableType] = [
        Text(""),
        Rule("Result", style="cyan", align="left"),
        Text(""),
        outcome_report(result, verdict),
        Text(""),
        Text("What the endpoint read, before and after, in lines that no training saw:"),
        samples_table(samples),
    ]
    return Group(*parts)


def samples_table(samples: Sequence[SampleReading]) -> Group:
    """Return one row per sample that tells something: those read otherwise than before first."""
    shown = sorted(samples, key=_tells_little)[:_MOST_ROWS]
    others = [sample for sample in samples if sample not in shown]
    rest = f"{sum(sample.after == sample.truth for sample in others)} of the {len(others)} others"
    return Group(_rows(shown), *([Text(f"and reads {rest} exactly.")] if others else []))


def _tells_little(sample: SampleReading) -> tuple[bool, bool]:
    return sample.before == sample.after, sample.after == sample.truth


def _rows(samples: Sequence[SampleReading]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("image", "says", "read before", "read now"):
        table.add_column(heading)
    for sample in samples:
        table.add_row(
            Text(sample.image, style="dim"),
            Text(sample.truth),
            _marked(sample.before, sample.truth),
            _marked(sample.after, sample.truth),
        )
    return table


def evidence_lines(evidence: Evidence) -> list[Text]:
    """Return where the run's files are, in S3 and on this machine, one line each."""
    places = [*evidence.uris, ("downloaded to", str(evidence.folder))]
    width = max(len(name) for name, _ in places)
    return [
        Text("Where everything lies:"),
        *(Text.assemble((f"  {name:<{width}}  ", "dim"), place) for name, place in places),
    ]


def _marked(text: str, truth: str) -> Text:
    right = text == truth
    return Text(f"{'✓' if right else '✗'} {text}", style="green" if right else "red")
