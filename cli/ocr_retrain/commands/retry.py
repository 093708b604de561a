"""``ocr-retrain retry``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.errors import UserError
from ocr_retrain.reconciling import reconcile
from ocr_retrain.terminal import show_line


def retry_command(
    name: Annotated[str, typer.Argument(show_default=False, help="As in `datasets`.")],
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Queue a dataset again: after failures, a rejection, or to train on it once more."""
    connection = connect_and_say(cloud, stack)
    if not connection.ledger.queue(name, datetime.now(UTC)):
        known = connection.ledger.dataset(name)
        if known is None:
            raise UserError(f"There is no dataset {name}: `ocr-retrain datasets` lists them.")
        raise UserError(f"{name} is in run {known.run_id}: wait until it ends.")
    show_line(f"{name} is queued again. {reconcile(connection)}")
