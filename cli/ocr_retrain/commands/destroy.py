"""``ocr-retrain destroy``."""

from __future__ import annotations

from typing import Annotated

import typer

from ocr_retrain.commands.options import StackOption
from ocr_retrain.connection import DEFAULT_STACK
from ocr_retrain.errors import UserError
from ocr_retrain.installation.account import connect_account
from ocr_retrain.installation.asking import require_agreement, require_typed
from ocr_retrain.installation.belongings import Belongings, find_belongings
from ocr_retrain.installation.removing import Removal
from ocr_retrain.repository import find_repository
from ocr_retrain.terminal import note, show_line, tell


def destroy_command(
    delete_data: Annotated[
        bool,
        typer.Option(
            "--delete-data",
            help="Also delete the bucket, the ledger and all model versions, for good.",
        ),
    ] = False,
    keep_images: Annotated[
        bool, typer.Option("--keep-images", help="Keep the images and what builds them.")
    ] = False,
    prefix: Annotated[
        str | None,
        typer.Option(
            "--prefix",
            show_default="the stack's, else its name",
            help="The parameter Prefix of a stack that is gone already.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would go and what stays, and do nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; --delete-data asks nevertheless.")
    ] = False,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Remove everything that costs money; data stays unless --delete-data is given.

    Works on what is left of a stack, too, and can be repeated. Exit status 1 when something could
    not be removed.
    """
    repository = find_repository()
    account = connect_account()
    tell(account.description, style="dim")
    found = find_belongings(account, repository, stack, prefix)
    doomed = found.described(keep_images) + (found.data.described() if delete_data else [])
    _list("To be removed:", doomed or ["nothing: there is nothing left of it"])
    _list("Stays:", _staying(found, keep_images, delete_data))
    if dry_run or not doomed:
        return
    if not yes:
        require_agreement("Remove it?")
    if delete_data and found.data.described():
        require_typed(
            f"The data cannot be brought back. Type the stack's name ({stack}) to delete it", stack
        )
    removal = Removal(account, repository, note)
    removal.remove(found, keep_images=keep_images, delete_data=delete_data)
    if removal.failures:
        raise UserError(
            f"Not removed: {'; '.join(removal.failures)} Repeat the command when that is solved."
        )
    show_line("Everything in the list is removed.")


def _list(title: str, lines: list[str]) -> None:
    show_line(title)
    for line in lines:
        show_line(f"  {line}")


def _staying(found: Belongings, keep_images: bool, delete_data: bool) -> list[str]:
    lines = [] if delete_data else found.data.described()
    if keep_images and found.images:
        lines.append(f"stack {found.images.name} with all images")
    return [
        *lines,
        "logs of jobs in /aws/sagemaker/TrainingJobs and ProcessingJobs, which all stacks share",
        "the bucket that `sam deploy` keeps its uploads in (stack aws-sam-cli-managed-default)",
    ]
