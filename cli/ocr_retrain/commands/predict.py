"""``ocr-retrain predict``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ocr_retrain.async_prediction import is_asynchronous, predict_async
from ocr_retrain.commands.options import CloudOption, JsonOption, StackOption, connect_and_say
from ocr_retrain.connection import DEFAULT_STACK, CloudChoice
from ocr_retrain.exits import ExitCode
from ocr_retrain.prediction import ImageReading, Mode, predict
from ocr_retrain.terminal import show_json, tell


def predict_command(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", show_default=False, help="Image files.")
    ],
    mode: Annotated[
        Mode, typer.Option("--mode", help="One cropped line per image, or a whole page.")
    ] = Mode.LINE,
    as_json: JsonOption = False,
    cloud: CloudOption = CloudChoice.AUTO,
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Read images with the model that the endpoint serves.

    Prints one `path<TAB>text<TAB>confidence` line per line of text, or with --json a list with
    one {"image": ..., "predictions": [{"box", "text", "confidence"}]} per image.
    """
    connection = connect_and_say(cloud, stack)
    if is_asynchronous(connection):
        tell("The endpoint is asynchronous; without an instance it needs minutes to start one.")
        readings = predict_async(connection, images, mode)
    else:
        readings = predict(
            connection.sagemaker_runtime,
            connection.stack.endpoint,
            images,
            mode,
            why_absent=connection.stack.off_until(datetime.now(UTC)),
        )
    if as_json:
        show_json([_as_json(reading) for reading in readings])
    else:
        _print_lines(readings)
    failed = [reading for reading in readings if reading.error]
    for reading in failed:
        tell(f"{reading.image}: {reading.error}", style="red")
    if failed:
        raise typer.Exit(ExitCode.ERROR)


def _as_json(reading: ImageReading) -> dict[str, object]:
    answer: dict[str, object] = {
        "image": str(reading.image),
        "predictions": [prediction.model_dump() for prediction in reading.predictions],
    }
    return {**answer, "error": reading.error} if reading.error else answer


def _print_lines(readings: list[ImageReading]) -> None:
    for reading in readings:
        for prediction in reading.predictions:
            text = " ".join(prediction.text.split())
            print(f"{reading.image}\t{text}\t{prediction.confidence:.3f}")
