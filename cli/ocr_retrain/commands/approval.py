"""``ocr-retrain approve`` and ``ocr-retrain reject``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ocr_retrain.commands.options import CloudOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.model_registry import (
    Approval,
    ListedPackage,
    describe_version,
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
    """Approve a version; the approved version of the highest number is deployed by itself."""
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
    else:
        before = describe_version(connection.sagemaker, package.arn).note
        set_approval(connection.sagemaker, package, approval, reason)
        show_line(f"Version {number} is {approval.value} (it was {package.approval}).")
        if package.approval == Approval.REJECTED and before:
            show_line(f"It had been rejected because: {before}")
    show_line(_what_follows(packages, package, approval))


def _what_follows(
    packages: Sequence[ListedPackage], package: ListedPackage, approval: Approval
) -> str:
    """Tell which version is live after the decision: the approved one of the highest number."""
    others = [
        each.version
        for each in packages
        if each.approval == Approval.APPROVED and each.version != package.version
    ]
    newest = max(others, default=None)
    if approval is Approval.APPROVED:
        if newest is None or newest < package.version:
            return f"Version {package.version} is deployed by itself if it does not serve already."
        return (
            f"Version {newest} stays live: it is newer and approved; reject it or use "
            "`ocr-retrain rollback`."
        )
    if newest is None:
        return "No version is approved now: the endpoint is left as it is until one is."
    if newest > package.version:
        return f"Version {newest} stays live."
    return f"Version {newest} is deployed by itself if it does not serve already."
