"""Reading images through an asynchronous endpoint: requests and answers lie in S3."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import ValidationError

from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.prediction import ImageReading, Mode, Result, load
from ocr_retrain.s3_uris import object_uri, read_object, split_uri
from retraining import s3_layout

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud

# An endpoint without an instance needs minutes to start one.
MOST_WAIT_SECONDS = 1800.0


@dataclass(frozen=True)
class _Asked:
    """Where the answer for an image will lie, or why there will be none."""

    output: str
    failure: str


def is_asynchronous(cloud: Cloud) -> bool:
    """Tell whether the endpoint takes its requests from S3; False when there is none."""
    try:
        described = cloud.sagemaker.describe_endpoint(EndpointName=cloud.stack.endpoint)
        config = cloud.sagemaker.describe_endpoint_config(
            EndpointConfigName=described["EndpointConfigName"]
        )
    except ClientError:
        # What asks the endpoint tells this better.
        return False
    return "AsyncInferenceConfig" in config


def predict_async(cloud: Cloud, images: Sequence[Path], mode: Mode) -> list[ImageReading]:
    """Return one reading per image, in order; raises UserError when answers do not come.

    All images are asked for before the first answer is waited for. One that is missing or
    unreadable has an ``error`` instead of predictions.
    """
    asked: list[_Asked | str] = []
    for image in images:
        try:
            asked.append(_ask(cloud, load(image), mode))
        except UserError as error:
            asked.append(str(error))
    deadline = time.monotonic() + MOST_WAIT_SECONDS
    return [
        ImageReading(image, (), each)
        if isinstance(each, str)
        else _wait(cloud, image, each, deadline)
        for image, each in zip(images, asked, strict=True)
    ]


def _ask(cloud: Cloud, content: bytes, mode: Mode) -> _Asked:
    bucket = cloud.stack.bucket
    key = f"{s3_layout.ASYNC_INPUT}/{uuid.uuid4().hex}"
    cloud.s3.put_object(Bucket=bucket, Key=key, Body=content)
    answer = cloud.sagemaker_runtime.invoke_endpoint_async(
        EndpointName=cloud.stack.endpoint,
        InputLocation=object_uri(bucket, key),
        ContentType="application/x-image",
        Accept="application/json",
        CustomAttributes=f"mode={mode.value}",
    )
    return _Asked(answer["OutputLocation"], answer["FailureLocation"])


def _wait(cloud: Cloud, image: Path, asked: _Asked, deadline: float) -> ImageReading:
    while time.monotonic() < deadline:
        if _exists(cloud, asked.output):
            return _reading(image, read_object(cloud.s3, asked.output))
        if _exists(cloud, asked.failure):
            told = read_object(cloud.s3, asked.failure).decode("utf-8", "replace")
            return ImageReading(image, (), " ".join(told.split()))
        time.sleep(cloud.poll_seconds)
    raise UserError(
        f"Endpoint {cloud.stack.endpoint} has not answered for {image} within "
        f"{MOST_WAIT_SECONDS / 60:.0f} minutes; the answer will be at {asked.output}.",
        ExitCode.TIMED_OUT_WAITING,
    )


def _reading(image: Path, answer: bytes) -> ImageReading:
    try:
        result = Result.model_validate_json(answer)
    except ValidationError as error:
        raise UserError("The endpoint answered something that is no reading.") from error
    return ImageReading(image, tuple(result.predictions), result.error)


def _exists(cloud: Cloud, uri: str) -> bool:
    bucket, key = split_uri(uri)
    try:
        cloud.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"].get("Code") in ("404", "NoSuchKey"):
            return False
        raise
    return True
