"""Reading images through the endpoint, in as few calls as fit."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from ocr_retrain.errors import UserError
from ocr_retrain.phrases import size

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

MAX_JSON_BYTES = 5_000_000
MAX_IMAGE_BYTES = 25_000_000
_JSON_BYTES_PER_IMAGE = 4


class NoEndpointError(UserError):
    """There is nothing to ask."""


class Mode(StrEnum):
    """What an image shows: one cropped line, or a page whose lines are to be found first."""

    LINE = "line"
    PAGE = "page"


# An answer must come within a minute, and a page takes a small machine a second or more.
_MAX_IMAGES_PER_CALL = {Mode.LINE: 128, Mode.PAGE: 8}


class Prediction(BaseModel):
    """One line that was read; ``box`` has its corners as [x, y] pixels, confidence is 0..1."""

    box: list[tuple[float, float]] = []
    text: str
    confidence: float


class Result(BaseModel):
    """What was read on an image, or why nothing was."""

    predictions: list[Prediction] = []
    error: str = ""


class _Answer(BaseModel):
    results: list[Result]


@dataclass(frozen=True)
class ImageReading:
    """What the endpoint read in one image, or why it could not (``error``)."""

    image: Path
    predictions: tuple[Prediction, ...]
    error: str = ""


@dataclass(frozen=True)
class LoadedImage:
    """An image file's content, with its place among the images that were asked for."""

    index: int
    content: bytes

    @property
    def json_bytes(self) -> int:
        """Bytes it takes in a JSON request (base64)."""
        return (len(self.content) + 2) // 3 * 4 + _JSON_BYTES_PER_IMAGE


def predict(
    runtime: SageMakerRuntimeClient,
    endpoint: str,
    images: Sequence[Path],
    mode: Mode,
    why_absent: str = "",
) -> list[ImageReading]:
    """Return one reading per image, in order; raises UserError when the endpoint does not answer.

    ``why_absent`` is told when there is no such endpoint.

    An image that is missing, too large for a request or unreadable has an ``error`` instead of
    predictions; the others are read.
    """
    readings: dict[int, ImageReading] = {}
    loaded: list[LoadedImage] = []
    for index, image in enumerate(images):
        try:
            loaded.append(LoadedImage(index, load(image)))
        except UserError as error:
            readings[index] = ImageReading(image, (), str(error))
    for batch in batches(loaded, mode):
        try:
            results = _read_batch(runtime, endpoint, batch, mode)
        except NoEndpointError as error:
            raise UserError(why_absent or str(error)) from error
        for item, result in zip(batch, results, strict=True):
            readings[item.index] = ImageReading(
                images[item.index], tuple(result.predictions), result.error
            )
    return [readings[index] for index in range(len(images))]


def load(image: Path) -> bytes:
    """Return an image file's content; raises UserError when it is missing or too large."""
    try:
        content = image.read_bytes()
    except OSError as error:
        raise UserError(f"{image} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_IMAGE_BYTES:
        raise UserError(
            f"{image} is {size(len(content))}; an endpoint takes at most {size(MAX_IMAGE_BYTES)}: "
            "scale it down."
        )
    return content


def batches(images: Sequence[LoadedImage], mode: Mode) -> Iterator[list[LoadedImage]]:
    """Group images so that each group fits into one request; a very large one goes alone."""
    batch: list[LoadedImage] = []
    used = 0
    for image in images:
        is_full = used + image.json_bytes > MAX_JSON_BYTES
        if batch and (is_full or len(batch) == _MAX_IMAGES_PER_CALL[mode]):
            yield batch
            batch, used = [], 0
        batch.append(image)
        used += image.json_bytes
    if batch:
        yield batch


def _read_batch(
    runtime: SageMakerRuntimeClient, endpoint: str, batch: list[LoadedImage], mode: Mode
) -> list[Result]:
    try:
        if batch[0].json_bytes > MAX_JSON_BYTES:
            answer = _invoke(runtime, endpoint, "application/x-image", batch[0].content, mode)
            return [Result.model_validate_json(answer)]
        images = [base64.b64encode(image.content).decode("ascii") for image in batch]
        body = json.dumps({"images": images, "mode": mode.value}).encode()
        answer = _invoke(runtime, endpoint, "application/json", body, mode)
        results = _Answer.model_validate_json(answer).results
    except ValidationError as error:
        raise UserError(f"Endpoint {endpoint} answered something that is no reading.") from error
    if len(results) != len(batch):
        raise UserError(f"Endpoint {endpoint} read {len(results)} images of {len(batch)}.")
    return results


def _invoke(
    runtime: SageMakerRuntimeClient, endpoint: str, content_type: str, body: bytes, mode: Mode
) -> bytes:
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType=content_type,
            Accept="application/json",
            CustomAttributes=f"mode={mode.value}",
            Body=body,
        )
    except ClientError as error:
        raise _refusal(endpoint, error) from error
    return response["Body"].read()


def _refusal(endpoint: str, error: ClientError) -> UserError:
    details = error.response["Error"]
    message = str(error.response.get("OriginalMessage") or details.get("Message", ""))
    if details.get("Code") in ("ValidationError", "ValidationException") and "not f" in message:
        return NoEndpointError(
            f"There is no endpoint {endpoint} yet: `ocr-retrain bootstrap` makes it."
        )
    return UserError(f"Endpoint {endpoint} did not answer: {' '.join(message.split())}")
