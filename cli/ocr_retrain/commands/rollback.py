"""``ocr-retrain rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.errors import UserError
from ocr_retrain.rolling_back import Rollback, plan_rollback, roll_back
from ocr_retrain.terminal import show_json, show_line, tell


def rollback_command(
    reason: Annotated[str, typer.Option("--reason", help="Kept with the version that is left.")] = (
        "Rolled back with ocr-retrain."
    ),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Put the approved version before the live one back, and wait until it serves.

    Rejects the latest approved version, which makes the one before it the latest. The old
    instances answer until the new ones are healthy; the end is told when the smoke test passed.
    """
    connection = connect_and_say(cloud, stack)
    plan = plan_rollback(connection)
    _tell_plan(plan, connection.stack.endpoint)
    if not yes and not _agreed():
        raise UserError("Nothing was changed.")
    roll_back(connection, plan, reason)
    if as_json:
        show_json({"rejected_version": plan.bad.version, "serving_version": plan.good.version})
        return
    show_line(
        f"Version {plan.good.version} serves and passed its smoke test; version "
        f"{plan.bad.version} is Rejected."
    )


def _tell_plan(plan: Rollback, endpoint: str) -> None:
    if plan.serving != plan.bad.version:
        now = f"version {plan.serving}" if plan.serving else "no version of this group"
        tell(f"Endpoint {endpoint} serves {now} at the moment.", style="yellow")
    tell(f"Version {plan.bad.version} will be rejected.")
    tell(f"Version {plan.good.version} will be deployed to endpoint {endpoint} and smoke-tested.")


def _agreed() -> bool:
    try:
        return typer.confirm("Go on?", err=True)
    except typer.Abort as error:
        raise UserError(
            "Nobody is there to ask: give --yes to go on. Nothing was changed."
        ) from error
