"""``ocr-retrain bootstrap``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ocr_retrain.base_model import PACKAGED, PRETRAINED
from ocr_retrain.bootstrap import Scratch, bootstrap
from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.errors import UserError
from ocr_retrain.installation.parameters import parse_parameters
from ocr_retrain.repository import find_repository
from ocr_retrain.terminal import show_json, show_line


def bootstrap_command(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help=f"{', '.join(PACKAGED)}, a folder with a checkpoint (*.pdparams, config.yml, "
            "dict.txt) or an inference model, an archive of one (tar, tar.gz, zip), or its https "
            "address.",
        ),
    ] = PRETRAINED,
    sha256: Annotated[
        str | None,
        typer.Option(
            "--sha256",
            metavar="HEX",
            show_default=False,
            help="Checksum that the file must have; needed for an address.",
        ),
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(
            "--lines",
            metavar="FOLDER",
            show_default=False,
            help="A labelled dataset that the model must be able to read a tenth of; otherwise "
            "lines are rendered.",
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
            metavar="FOLDER",
            show_default=False,
            help="Train the network of --model from random weights on this labelled dataset, in a "
            "training job of at most MaxTrainingSeconds.",
        ),
    ] = None,
    hyperparameter: Annotated[
        list[str] | None,
        typer.Option(
            "--hyperparameter",
            metavar="NAME=VALUE",
            show_default=False,
            help="For --train; may be repeated. See docs/training.md.",
        ),
    ] = None,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Register a base model as an approved version and deploy the endpoint.

    Before it is registered, the model has to read lines. Does nothing twice: a model that is
    registered already is only deployed, and only when the endpoint does not serve the latest
    approved version.
    """
    repository = find_repository()
    if hyperparameter and train is None:
        raise UserError("--hyperparameter is for --train: nothing else is trained here.")
    scratch = Scratch(train, parse_parameters(hyperparameter or [])) if train else None
    connection = connect_and_say(cloud, stack)
    done = bootstrap(connection, repository, model, sha256=sha256, lines=lines, scratch=scratch)
    if as_json:
        show_json(
            {
                "package_arn": done.version.arn,
                "version": done.version.version,
                "registered_now": done.is_new,
                "endpoint": connection.stack.endpoint,
            }
        )
        return
    serves = f"endpoint {connection.stack.endpoint} serves the latest approved version."
    off = connection.stack.off_until(datetime.now(UTC))
    show_line(f"Version {done.version.version} is registered and approved; {off or serves}")
