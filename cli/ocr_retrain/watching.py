"""Showing a run live until it ends, then saying how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocr_retrain.errors import UserError
from ocr_retrain.follow import Snapshot, follow
from ocr_retrain.outcome import Outcome, RunResult, result_of
from ocr_retrain.outcome_report import next_steps, outcome_report
from ocr_retrain.run_rows import rows_of
from ocr_retrain.run_views import view_for_terminal
from ocr_retrain.terminal import show, show_json, tell
from ocr_retrain.verdicts import Verdict, read_verdict

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud


@dataclass(frozen=True)
class Watched:
    """A run as it was last seen: over, or still running when the deadline came."""

    snapshot: Snapshot
    result: RunResult
    verdict: Verdict | None


def show_until_end(
    cloud: Cloud, arn: str, deadline: float | None = None, indent: int = 2
) -> Snapshot:
    """Show the states of any execution live (stderr) and return the last look at it."""
    snapshot: Snapshot | None = None
    with view_for_terminal(indent) as view:
        for snapshot in follow(cloud, arn, deadline):
            view.update(snapshot)
    if snapshot is None:
        raise AssertionError("follow yields at least once")
    return snapshot


def watch_run(cloud: Cloud, arn: str, deadline: float | None = None, indent: int = 2) -> Watched:
    """Show a Retrain execution live until it ends or ``deadline`` comes."""
    snapshot = show_until_end(cloud, arn, deadline, indent)
    result = result_of(snapshot.execution)
    return Watched(snapshot, result, _verdict_of(cloud, result))


def report(watched: Watched) -> None:
    """Print how a watched run ended (stdout)."""
    if watched.result.outcome is Outcome.RUNNING:
        tell(
            f"Run {watched.result.run_id} goes on; "
            f"`ocr-retrain watch --run {watched.result.run_id}` shows it again."
        )
        return
    show(outcome_report(watched.result, watched.verdict))
    show(next_steps(watched.result.next_steps))


def report_json(watched: Watched) -> None:
    """Print how a watched run stands as JSON (stdout)."""
    show_json(as_json(watched))


def as_json(watched: Watched) -> Mapping[str, object]:
    """Return a watched run as a JSON object."""
    result, output = watched.result, watched.result.output
    now = datetime.now(UTC)
    return {
        "run_id": result.run_id,
        "outcome": result.outcome,
        "exit_code": int(result.exit_code),
        "reason": result.reason,
        "datasets": result.datasets,
        "package_arn": output.package_arn if output else "",
        "next_steps": [asdict(step) for step in result.next_steps],
        "verdict": watched.verdict.model_dump() if watched.verdict else None,
        "validation": output.validation.model_dump() if output else None,
        "states": [
            {
                "path": row.path,
                "status": row.status,
                "visits": row.visits,
                "seconds": round(row.seconds, 3),
                "detail": row.detail,
            }
            for row in rows_of(watched.snapshot, now)
        ],
    }


def _verdict_of(cloud: Cloud, result: RunResult) -> Verdict | None:
    if result.output is None or not result.output.verdict.verdict:
        return None
    try:
        return read_verdict(cloud.s3, result.output.verdict.verdict)
    except UserError as error:
        tell(f"The verdict cannot be shown: {error}", style="yellow")
        return None
