"""``ocr-retrain watch``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, Cloud, CloudChoice
from ocr_retrain.errors import UserError
from ocr_retrain.executions import Execution, describe_execution, execution_arn, list_executions
from ocr_retrain.exits import EXIT_CODES_HELP, ExitCode
from ocr_retrain.follow import next_execution
from ocr_retrain.outcome import result_of
from ocr_retrain.phrases import moment
from ocr_retrain.terminal import tell
from ocr_retrain.watching import report, report_json, watch_run


def watch_command(
    run: Annotated[
        str | None,
        typer.Option(
            "--run", show_default="the running one, else the next", help="Id of the run to watch."
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0, show_default="none", help="Seconds to wait at most."),
    ] = None,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Show a run live, state by state, until it ends, then its verdict."""
    deadline = None if timeout is None else time.monotonic() + timeout
    connection = connect_and_say(cloud, stack)
    execution = _find(connection, run, deadline)
    watched = watch_run(connection, execution.arn, deadline)
    if as_json:
        report_json(watched)
    else:
        report(watched)
    raise typer.Exit(watched.result.exit_code)


watch_command.__doc__ = f"{watch_command.__doc__}\n\n    {EXIT_CODES_HELP}\n"


def _find(cloud: Cloud, run: str | None, deadline: float | None) -> Execution:
    arn = (
        _running_or_next(cloud, deadline)
        if run is None
        else execution_arn(cloud.stack.retrain_state_machine, run)
    )
    execution = describe_execution(cloud.stepfunctions, arn)
    datasets = ", ".join(result_of(execution).datasets)
    tell(f"Run {execution.name}, started {moment(execution.started_at)}{_of(datasets)}")
    return execution


def _running_or_next(cloud: Cloud, deadline: float | None) -> str:
    executions = list_executions(cloud.stepfunctions, cloud.stack.retrain_state_machine)
    running = [execution for execution in executions if not execution.is_over]
    if running:
        return running[-1].arn
    if executions:
        last = executions[0]
        tell(
            f"Nothing runs now (the last run, {last.name}, began {moment(last.started_at)}; "
            f"`ocr-retrain watch --run {last.name}` shows it). Waiting for the next one ..."
        )
    else:
        tell("Nothing ran yet. Waiting for the first run ...")
    # Compared with the same look as above, so that a run that begins meanwhile is not missed.
    known = frozenset(execution.arn for execution in executions)
    found = next_execution(cloud, known, deadline)
    if found is None:
        raise UserError("No run began before the timeout.", ExitCode.TIMED_OUT_WAITING)
    return found.arn


def _of(datasets: str) -> str:
    return f": {datasets}" if datasets else ""
