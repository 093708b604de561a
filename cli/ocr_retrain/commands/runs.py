"""``ocr-retrain runs``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.executions import Execution, describe_execution, list_executions
from ocr_retrain.outcome import RunResult, result_of
from ocr_retrain.outcome_report import outcome_style
from ocr_retrain.phrases import between, duration, moment
from ocr_retrain.terminal import show, show_json, tell


@dataclass(frozen=True)
class ListedRun:
    """One run of the history."""

    execution: Execution
    result: RunResult


def runs_command(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the latest runs.")] = 20,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """List the latest runs and how they ended, newest first."""
    connection = connect_and_say(cloud, stack)
    executions = list_executions(
        connection.stepfunctions, connection.stack.retrain_state_machine, limit
    )
    described = [describe_execution(connection.stepfunctions, item.arn) for item in executions]
    runs = [ListedRun(execution, result_of(execution)) for execution in described]
    if as_json:
        show_json([run_as_json(run) for run in runs])
    elif runs:
        show(runs_table(runs, datetime.now(UTC)))
    else:
        tell("Nothing ran yet: `ocr-retrain drop DIR` starts a run.")


def runs_table(runs: list[ListedRun], now: datetime) -> Table:
    """Return the history as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("started", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("datasets")
    table.add_column("reason")
    for run in runs:
        execution, result = run.execution, run.result
        table.add_row(
            execution.name,
            Text(result.outcome, style=outcome_style(result.outcome)),
            moment(execution.started_at),
            duration(between(execution.started_at, execution.ended_at or now)),
            Text(", ".join(result.datasets)),
            Text(result.reason),
        )
    return table


def run_as_json(run: ListedRun) -> dict[str, object]:
    """Return one run as a JSON object."""
    ended = run.execution.ended_at
    return {
        "run_id": run.execution.name,
        "execution_arn": run.execution.arn,
        "status": run.execution.status,
        "outcome": run.result.outcome,
        "reason": run.result.reason,
        "datasets": run.result.datasets,
        "started_at": run.execution.started_at.isoformat(),
        "ended_at": ended.isoformat() if ended else None,
        "package_arn": run.result.output.package_arn if run.result.output else "",
    }
