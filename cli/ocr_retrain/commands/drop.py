"""``ocr-retrain drop``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, Cloud, CloudChoice
from ocr_retrain.dataset_folder import dataset_name, scan
from ocr_retrain.drop import DropResult, drop, drop_golden
from ocr_retrain.phrases import count, size
from ocr_retrain.terminal import show_json, show_line, tell
from ocr_retrain.upload_progress import upload_progress


def drop_command(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            show_default=False,
            help="A folder with images and label files (*.txt), or one archive of it.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", show_default="the folder's name", help="Name of the dataset."),
    ] = None,
    golden: Annotated[
        bool,
        typer.Option(
            "--golden", help="As a golden set: never trained on, and never to be read worse."
        ),
    ] = False,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Upload labelled images; a retraining starts by itself.

    Images go first, label files and archives last. Images that are there already are skipped, so
    an interrupted upload continues when the command is run again; label files and archives are
    always sent, because their arrival starts the run.
    """
    dataset = dataset_name(folder, name)
    content = scan(folder)
    connection = connect_and_say(cloud, stack)
    with upload_progress(content) as on_file:
        send = drop_golden if golden else drop
        result = send(connection.s3, connection.stack.bucket, content, dataset, on_file)
    if as_json:
        show_json({"dataset": dataset, **asdict(result)})
        return
    show_line(_sentence("Golden set" if golden else "Dataset", dataset, result))
    if golden:
        tell("Every candidate is measured with it from now on; `ocr-retrain golden` lists it.")
    else:
        tell(_what_follows(connection, dataset, result))


def _what_follows(cloud: Cloud, dataset: str, result: DropResult) -> str:
    if not result.news:
        return (
            "Its labels are the same as before: when a run has read them, nothing starts, and "
            f"`ocr-retrain retry {dataset}` starts one."
        )
    # Who may upload need not be allowed to read the ledger.
    with suppress(ClientError):
        if cloud.ledger.paused():
            return "Runs are paused; `ocr-retrain resume` lets the retraining begin."
    return "The retraining starts by itself; `ocr-retrain watch` shows it."


def _sentence(kind: str, dataset: str, result: DropResult) -> str:
    sent = f"{count(result.uploaded, 'file')} sent ({size(result.bytes)})"
    unchanged = f", {result.unchanged:,} there already" if result.unchanged else ""
    return f"{kind} {dataset} is at {result.uri}: {sent}{unchanged}."
