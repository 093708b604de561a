"""Asking before something is changed."""

from __future__ import annotations

import typer

from ocr_retrain.errors import UserError


def require_agreement(question: str) -> None:
    """Ask on stderr; raises UserError unless a person says yes."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise UserError("Nothing was changed; --yes goes on without asking.")


def require_typed(question: str, expected: str) -> None:
    """Ask on stderr for a word; raises UserError unless exactly that is typed."""
    try:
        typed = str(typer.prompt(question, err=True))
    except typer.Abort:
        typed = ""
    if typed != expected:
        raise UserError(f"{typed!r} is not {expected!r}: nothing was removed.")
