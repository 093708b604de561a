"""The report at the end of a run: outcome, verdict, reasons and problems."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ocr_retrain.outcome import Outcome, Problem, RunResult
from ocr_retrain.phrases import percent, points
from ocr_retrain.verdicts import SliceVerdict, Verdict
from retraining.announcing_next_steps import NextStep

_STYLES = {
    Outcome.PROMOTED: "bold green",
    Outcome.AWAITING_APPROVAL: "bold yellow",
    Outcome.NOTHING_TO_TRAIN: "bold yellow",
    Outcome.WAITING_FOR_MORE: "bold yellow",
    Outcome.RUNNING: "bold cyan",
}
_KINDS = {"new": "new", "old": "earlier", "golden": "golden"}


def outcome_report(result: RunResult, verdict: Verdict | None) -> Group:
    """Return everything a person wants to know of a run that ended."""
    parts: list[RenderableType] = [headline(result)]
    if verdict is not None:
        parts += [verdict_table(verdict.slices), reasons(verdict.reasons)]
    if result.output is not None:
        validation = result.output.validation
        if validation.character_notes:
            parts.append(reasons(validation.character_notes))
        parts += problems(validation.problems, validation.report)
    return Group(*parts)


def headline(result: RunResult) -> Text:
    """Return the outcome and its reason as one line."""
    text = Text(f"{result.run_id}  ", style="dim")
    text.append(result.outcome, style=outcome_style(result.outcome))
    if result.reason:
        text.append(f"  {result.reason}", style="default")
    return text


def outcome_style(outcome: Outcome) -> str:
    """Return the style an outcome's name is printed in."""
    return _STYLES.get(outcome, "bold red")


def verdict_table(slices: Sequence[SliceVerdict]) -> Table:
    """Return champion against candidate, one line per slice (exact match)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("slice")
    table.add_column("kind", style="dim")
    for heading in ("lines", "champion", "candidate", "points", "p"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for item in slices:
        difference = item.difference
        table.add_row(
            Text(item.name),
            _KINDS.get(item.kind, item.kind),
            f"{item.lines:,}",
            "-" if item.champion_exact_match is None else percent(item.champion_exact_match),
            Text(percent(item.candidate_exact_match), style="bold"),
            "-" if difference is None else Text(points(difference), style=_color(difference)),
            "" if item.p_value is None else _p_value(item.p_value),
            Text("✓", style="green") if item.passed else Text("✗", style="red"),
        )
    return table


def reasons(sentences: Sequence[str]) -> Table:
    """Return the reasons as a list."""
    return _bullets([Text(sentence) for sentence in sentences])


def problems(found: Sequence[Problem], report: str) -> list[RenderableType]:
    """Return one line per kind of validation problem, and where all of them are."""
    if not found:
        return []
    return [
        Text("Problems in the data:", style="yellow"),
        _bullets([_problem(problem) for problem in found]),
        Text(f"    all of them: {report}", style="dim"),
    ]


def next_steps(steps: Sequence[NextStep]) -> Group:
    """Return what to do next, each with the command as it is to be typed."""
    # On lines of their own, so that a command is copied in one piece.
    rows = [
        Text.assemble("  ", (step.command, "bold"), ("   " + step.purpose, "dim")) for step in steps
    ]
    return Group(Text("What you can do next:"), *rows)


def _problem(problem: Problem) -> Text:
    text = Text(f"{problem.code.replace('_', ' ')}: {problem.count:,}")
    if problem.first:
        text.append(f" ({', '.join(problem.first)})", style="dim")
    return text


def _bullets(texts: Sequence[Text]) -> Table:
    # A grid, so that the second line of a long sentence begins below its first word.
    table = Table.grid(padding=(0, 1))
    for text in texts:
        table.add_row(Text("  •"), text)
    return table


def _color(difference: float) -> str:
    return "green" if difference > 0 else "red" if difference < 0 else ""


def _p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
