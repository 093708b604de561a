"""The ``ocr-retrain`` command and what happens to its errors."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ocr_retrain.commands.approval import approve_command, reject_command
from ocr_retrain.commands.bootstrap import bootstrap_command
from ocr_retrain.commands.datasets import datasets_command
from ocr_retrain.commands.demo import demo_command
from ocr_retrain.commands.deploy import deploy_command
from ocr_retrain.commands.destroy import destroy_command
from ocr_retrain.commands.doctor import doctor_command
from ocr_retrain.commands.drop import drop_command
from ocr_retrain.commands.golden import golden_command
from ocr_retrain.commands.images import images_app
from ocr_retrain.commands.local import local_app
from ocr_retrain.commands.models import models_command
from ocr_retrain.commands.pause import pause_command, resume_command
from ocr_retrain.commands.predict import predict_command
from ocr_retrain.commands.report import report_command
from ocr_retrain.commands.retry import retry_command
from ocr_retrain.commands.rollback import rollback_command
from ocr_retrain.commands.runs import runs_command
from ocr_retrain.commands.transcribe import transcribe_command
from ocr_retrain.commands.watch import watch_command
from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.terminal import tell

_DEBUG = "OCR_RETRAIN_DEBUG"
_SIGNALLED = 128

app = typer.Typer(
    name="ocr-retrain",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Drop labelled data, get a better text recognizer served.",
    epilog=f"{_DEBUG}=1 shows the traceback behind an error.",
)
app.command("demo")(demo_command)
app.add_typer(local_app, name="local")
app.command("doctor")(doctor_command)
app.command("deploy")(deploy_command)
app.command("destroy")(destroy_command)
app.add_typer(images_app, name="images")
app.command("bootstrap")(bootstrap_command)
app.command("drop")(drop_command)
app.command("watch")(watch_command)
app.command("runs")(runs_command)
app.command("report")(report_command)
app.command("datasets")(datasets_command)
app.command("golden")(golden_command)
app.command("models")(models_command)
app.command("approve")(approve_command)
app.command("reject")(reject_command)
app.command("rollback")(rollback_command)
app.command("predict")(predict_command)
app.command("transcribe")(transcribe_command)
app.command("retry")(retry_command)
app.command("pause")(pause_command)
app.command("resume")(resume_command)


def run() -> NoReturn:
    """Run the command line of this process and exit with its status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_in_order)
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit status, after telling an error in one line."""
    try:
        status = app(args=list(arguments), prog_name="ocr-retrain", standalone_mode=False)
    except Exception as error:
        if os.environ.get(_DEBUG) == "1":
            raise
        return _tell_error(error)
    return status if isinstance(status, int) else ExitCode.OK


def _tell_error(error: Exception) -> int:
    if message := " ".join(_message(error).split()):
        tell(f"Error: {message}", style="red")
    return error.exit_code if isinstance(error, UserError) else ExitCode.ERROR


def _message(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, ClientError):
        details = error.response["Error"]
        return f"{error.operation_name} was refused: {details.get('Message', error)}"
    if isinstance(error, (UserError, BotoCoreError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error} ({_DEBUG}=1 shows where)"


def _usage(error: typer.TyperException) -> str:
    message = error.format_message()
    command = getattr(getattr(error, "ctx", None), "command_path", "")
    return f"{message} `{command} --help` explains it." if message and command else message


def _end_in_order(number: int, frame: FrameType | None) -> NoReturn:
    # An exception unwinds the stack, so what was started is ended.
    raise SystemExit(_SIGNALLED + number)
