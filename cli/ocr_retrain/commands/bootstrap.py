"""``ocr-retrain bootstrap``."""

from __future__ import annotations

from typing import Annotated

import typer

from ocr_retrain.base_model import PACKAGED, PRETRAINED
from ocr_retrain.bootstrap import bootstrap
from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.repository import find_repository
from ocr_retrain.terminal import show_json, show_line


def bootstrap_command(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help=f"{', '.join(PACKAGED)}, a folder with a checkpoint (*.pdparams, config.yml, "
            "dict.txt) or an inference model, or a model.tar.gz.",
        ),
    ] = PRETRAINED,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Register a base model as an approved version and deploy the endpoint.

    Does nothing twice: a model that is registered already is only deployed, and only when the
    endpoint does not serve the latest approved version.
    """
    repository = find_repository()
    connection = connect_and_say(cloud, stack)
    done = bootstrap(connection, repository, model)
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
    show_line(
        f"Version {done.version.version} is registered and approved; endpoint "
        f"{connection.stack.endpoint} serves the latest approved version.",
    )
