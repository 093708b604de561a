"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_retrain.connection import Cloud, CloudChoice, connect
from ocr_retrain.terminal import tell

CloudOption = Annotated[
    CloudChoice,
    typer.Option(
        "--cloud",
        envvar="OCR_RETRAIN_CLOUD",
        help="Which cloud to talk to; auto means the local one when it is up, else AWS.",
    ),
]
StackOption = Annotated[
    str,
    typer.Option(
        "--stack", envvar="OCR_RETRAIN_STACK", help="Name of the CloudFormation stack to use."
    ),
]
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="OCR_RETRAIN_HOME",
        show_default="<checkout>/.local-cloud",
        help="Directory of the local cloud.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def connect_and_say(cloud: CloudChoice, stack: str) -> Cloud:
    """Return the connection, after saying on stderr which cloud it is."""
    connection = connect(cloud, stack)
    tell(f"{connection.description}, stack {connection.stack.name}", style="dim")
    return connection
