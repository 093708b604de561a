"""``ocr-retrain report``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from ocr_retrain.commands.options import CloudOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, Cloud, CloudChoice
from ocr_retrain.errors import UserError
from ocr_retrain.executions import describe_execution, execution_arn, list_executions
from ocr_retrain.s3_uris import read_object
from ocr_retrain.terminal import is_interactive, show_line, tell
from retraining import s3_layout

_LOOKED_THROUGH = 50
_LINK_SECONDS = 3600
_MISSING = ("404", "NoSuchKey", "NotFound")


def report_command(
    run: Annotated[
        str, typer.Argument(show_default="the latest run with a report", help="As in `runs`.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Save it as this file; nothing is opened."),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link instead that whoever has it can open.")
    ] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Open the report of a run: why it ended so, with numbers, lines as pictures and costs."""
    if output and link:
        raise UserError("--output saves the report, --link only points to it: give one of them.")
    connection = connect_and_say(cloud, stack)
    name = run or _latest(connection)
    if link:
        show_line(_link(connection, name))
        tell("It works for an hour at most, for everybody who has it.", style="dim")
        return
    page = _read(connection, name)
    path = output or Path(tempfile.mkdtemp(prefix="ocr-retrain-")) / f"{name}.html"
    path.write_bytes(page)
    show_line(str(path))
    if output is None and is_interactive():
        typer.launch(path.as_uri())


def _latest(cloud: Cloud) -> str:
    runs = list_executions(cloud.stepfunctions, cloud.stack.retrain_state_machine, _LOOKED_THROUGH)
    for each in runs:
        if _exists(cloud, each.name):
            return each.name
    raise UserError(
        "No run has a report yet: `ocr-retrain watch` follows the one that is under way."
        if runs
        else "Nothing ran yet: `ocr-retrain drop DIR` starts a run."
    )


def _read(cloud: Cloud, run: str) -> bytes:
    _require(cloud, run)
    return read_object(cloud.s3, f"s3://{cloud.stack.bucket}/{s3_layout.report(run)}")


def _link(cloud: Cloud, run: str) -> str:
    _require(cloud, run)
    return cloud.s3.generate_presigned_url(
        "get_object",
        Params={"Bucket": cloud.stack.bucket, "Key": s3_layout.report(run)},
        ExpiresIn=_LINK_SECONDS,
    )


def _require(cloud: Cloud, run: str) -> None:
    """Raise UserError with the reason when the run has no report."""
    if _exists(cloud, run):
        return
    arn = execution_arn(cloud.stack.retrain_state_machine, run)
    status = describe_execution(cloud.stepfunctions, arn).status
    if status == "RUNNING":
        raise UserError(f"Run {run} has no report yet: `ocr-retrain watch` follows it.")
    raise UserError(
        f"Run {run} has no report: it ended before there was one, or writing it failed; the log "
        f"/aws/lambda/{cloud.stack.prefix}-write-report says why."
    )


def _exists(cloud: Cloud, run: str) -> bool:
    try:
        cloud.s3.head_object(Bucket=cloud.stack.bucket, Key=s3_layout.report(run))
    except ClientError as error:
        if error.response["Error"].get("Code") in _MISSING:
            return False
        raise
    return True
