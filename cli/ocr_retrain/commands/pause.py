"""``ocr-retrain pause`` and ``ocr-retrain resume``."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.reconciling import reconcile
from ocr_retrain.terminal import show_line
from retraining.ledger_items import Pause, iso


def pause_command(
    reason: Annotated[
        str, typer.Option("--reason", show_default=False, help="Why; shown with the datasets.")
    ] = "",
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Let no new run begin; uploads are recorded and wait. A run that goes on is not stopped."""
    ledger = connect_and_say(cloud, stack).ledger
    ledger.pause(Pause(iso(datetime.now(UTC)), _who(), reason))
    lock = ledger.lock()
    goes_on = f" Run {lock.run_id} goes on." if lock else ""
    show_line(f"Runs are paused.{goes_on}")


def resume_command(
    cloud: CloudOption = CloudChoice.AUTO, stack: StackOption = DEFAULT_STACK
) -> None:
    """Let runs begin again, with all that has arrived meanwhile."""
    connection = connect_and_say(cloud, stack)
    if not connection.ledger.resume():
        show_line("Runs were not paused.")
        return
    show_line(f"Runs may begin again. {reconcile(connection)}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container without a user database.
        return ""
