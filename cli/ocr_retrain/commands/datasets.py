"""``ocr-retrain datasets``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, Cloud, CloudChoice
from ocr_retrain.errors import UserError
from ocr_retrain.phrases import count
from ocr_retrain.standings import Now, Standing, State, standing_of
from ocr_retrain.terminal import show, show_json, show_line, tell
from ocr_retrain.validation_reports import (
    DatasetFindings,
    ValidationReport,
    read_validation_report,
)
from retraining.ledger_items import Pause, Upload

_STYLES = {
    State.TRAINED: "green",
    State.REJECTED: "red",
    State.WAITING: "yellow",
    State.RECEIVING: "cyan",
    State.IN_RUN: "cyan",
}
_MINUTES = len("2026-11-22T10:15")


def datasets_command(
    name: Annotated[
        str, typer.Argument(show_default=False, help="Show all that is known of this one.")
    ] = "",
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """List the datasets and where they stand, or show one with its validation report."""
    connection = connect_and_say(cloud, stack)
    now = _now(connection)
    if name:
        _show_one(connection, name, now, as_json)
        return
    uploads: dict[str, list[Upload]] = defaultdict(list)
    for each in connection.ledger.pending_uploads():
        uploads[each.dataset].append(each)
    standings = [
        standing_of(each, uploads[each.name], now) for each in connection.ledger.datasets()
    ]
    if as_json:
        show_json([standing_as_json(each) for each in standings])
    elif standings:
        show(datasets_table(standings))
    else:
        tell("Nothing was dropped yet: `ocr-retrain drop DIR` does.")
    if now.pause:
        tell(f"{_paused(now.pause)}; `ocr-retrain resume` ends it.")


def datasets_table(standings: list[Standing]) -> Table:
    """Return the datasets as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("dataset")
    table.add_column("state", no_wrap=True)
    table.add_column("new", justify="right")
    table.add_column("train", justify="right")
    table.add_column("holdout", justify="right")
    table.add_column("run", no_wrap=True)
    table.add_column("model", justify="right")
    table.add_column("reason")
    for each in standings:
        dataset = each.dataset
        table.add_row(
            Text(dataset.name),
            Text(each.state, style=_STYLES[each.state]),
            "?" if each.new_lines is None else str(each.new_lines or "-"),
            str(dataset.train_lines or "-"),
            str(dataset.holdout_lines or "-"),
            dataset.run_id or "-",
            "-" if each.version is None else str(each.version),
            Text(each.reason),
        )
    return table


def standing_as_json(standing: Standing) -> dict[str, object]:
    """Return one dataset as a JSON object."""
    dataset = standing.dataset
    return {
        "name": dataset.name,
        "state": standing.state,
        "reason": standing.reason,
        "new_lines": standing.new_lines,
        "train_lines": dataset.train_lines,
        "holdout_lines": dataset.holdout_lines,
        "missing_images": dataset.missing,
        "failed_runs": dataset.attempts,
        "run_id": dataset.run_id,
        "package_arn": dataset.package_arn,
        "model_version": standing.version,
        "last_seen_same_at": dataset.last_seen_same_at,
        "updated_at": dataset.updated_at,
    }


def _show_one(cloud: Cloud, name: str, now: Now, as_json: bool) -> None:
    dataset = cloud.ledger.dataset(name)
    if dataset is None:
        raise UserError(f"There is no dataset {name}: `ocr-retrain datasets` lists them.")
    standing = standing_of(dataset, cloud.ledger.uploads_of(name), now)
    report = read_validation_report(cloud, dataset.run_id) if dataset.run_id else None
    findings = report.of(name) if report else None
    if as_json:
        show_json(
            {
                **standing_as_json(standing),
                "uploads": [asdict(each) for each in standing.uploads],
                "validation": findings.model_dump() if findings else None,
            }
        )
        return
    _show_standing(standing)
    show(uploads_table(standing.uploads))
    if report and findings:
        _show_findings(report, findings)


def _show_standing(standing: Standing) -> None:
    dataset = standing.dataset
    state = Text(f"{dataset.name}  ").append(standing.state, style=_STYLES[standing.state])
    show_line(state.append(f"  {standing.reason}") if standing.reason else state)
    if dataset.run_id:
        show_line(f"last run  {dataset.run_id}")
    if dataset.package_arn:
        show_line(f"model     {dataset.package_arn}")


def uploads_table(uploads: tuple[Upload, ...]) -> Table:
    """Return the label files and archives of a dataset as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file")
    table.add_column("lines", justify="right")
    table.add_column("version", no_wrap=True)
    table.add_column("etag", no_wrap=True)
    table.add_column("arrived", no_wrap=True)
    table.add_column("read by")
    for each in uploads:
        table.add_row(
            Text(each.relative),
            "-" if each.lines is None else str(each.lines),
            each.version_id or "-",
            each.etag,
            _when(each.seen_at),
            "not yet" if each.pending else each.taken_by,
        )
    return table


def _show_findings(report: ValidationReport, findings: DatasetFindings) -> None:
    show_line(
        f"Run {report.run_id} found {count(findings.label_lines, 'label line')}: "
        f"{findings.train_lines:,} to train on, {findings.holdout_lines:,} held out."
    )
    if findings.set_aside:
        show_line(f"Set aside: {findings.set_aside}")
    for code, lines in findings.unused_lines.items():
        show_line(f"  {lines:>7,}  {code}")
    for problem in report.problems:
        ours = [each for each in problem.first if each.startswith(f"{findings.name}/")]
        for example in ours:
            show_line(f"  {problem.code}: {example}")
    if report.problems_uri:
        show_line(f"All problems: {report.problems_uri}")


def _now(cloud: Cloud) -> Now:
    return Now(cloud.ledger.lock(), cloud.ledger.paused(), cloud.ledger.last_decision())


def _paused(pause: Pause) -> str:
    who = f" by {pause.by}" if pause.by else ""
    why = f" ({pause.reason})" if pause.reason else ""
    return f"Runs are paused since {_when(pause.since)}{who}{why}"


def _when(moment: str) -> str:
    return f"{moment[:_MINUTES].replace('T', ' ')} UTC" if moment else "-"
