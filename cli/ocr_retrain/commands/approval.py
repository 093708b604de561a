"""``ocr-retrain approve`` and ``ocr-retrain reject``."""

from __future__ import annotations

from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.model_registry import (
    Approval,
    find_package,
    list_packages,
    set_approval,
)
from ocr_retrain.terminal import show_line

VersionArgument = Annotated[
    int, typer.Argument(metavar="VERSION", min=1, show_default=False, help="As in `models`.")
]


def approve_command(
    version: VersionArgument,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the version.")] = (
        "Approved with ocr-retrain."
    ),
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Approve a version; the latest approved version is deployed by itself."""
    _decide(version, Approval.APPROVED, reason, cloud, stack)


def reject_command(
    version: VersionArgument,
    reason: Annotated[
        str, typer.Option("--reason", show_default=False, help="Why; kept with the version.")
    ],
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Reject a version; if it serves, the approved version before it is deployed by itself."""
    _decide(version, Approval.REJECTED, reason, cloud, stack)


def _decide(number: int, approval: Approval, reason: str, cloud: CloudChoice, stack: str) -> None:
    connection = connect_and_say(cloud, stack)
    packages = list_packages(connection.sagemaker, connection.stack.model_package_group)
    package = find_package(packages, number)
    if package.approval == approval:
        show_line(f"Version {number} is {approval.value} already.")
        return
    set_approval(connection.sagemaker, package, approval, reason)
    show_line(f"Version {number} is {approval.value} (it was {package.approval}).")
