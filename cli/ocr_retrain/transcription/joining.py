"""Joining images and answers: one JSON object per image, in the order of their URIs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from pydantic import BaseModel, ValidationError

from ocr_retrain.connection import UPLOAD_THREADS
from ocr_retrain.prediction import Prediction
from ocr_retrain.s3_uris import object_uri, read_object, split_uri
from ocr_retrain.transcription.record import Job, Transcription, answer_uri, read_keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Answers that are asked for ahead of the one that is written.
_AHEAD = 1_000


_EXAMPLES = 5


class _Answer(BaseModel):
    predictions: list[Prediction] = []
    error: str = ""


@dataclass(frozen=True)
class Joined:
    """How many images were read, and how many were not, with the first of those and why."""

    read: int
    failed: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reasons:
    """Why jobs have left images without an answer: those that failed, by name, and all others."""

    failed: Mapping[str, str]
    others: str = "it wrote none"

    def why(self, job: str) -> str:
        """Return a sentence about an image that has no answer."""
        told = self.failed.get(job, self.others)
        return f"Transform job {job} has no answer for the image: {told}."


@dataclass(frozen=True, slots=True)
class _Image:
    key: str
    answer: str = ""
    error: str = ""


def join(
    s3: S3Client,
    transcription: Transcription,
    reasons: Reasons,
    target: BinaryIO,
    on_line: Callable[[int], None] = lambda _: None,
) -> Joined:
    """Write a line for each image to ``target``; every image has one, read or not.

    ``on_line`` is told how many lines are written.
    """
    images = sorted(_images(s3, transcription, reasons), key=lambda each: each.key)
    failed, examples = 0, []
    make_line = partial(_line, s3, transcription)
    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        for start in range(0, len(images), _AHEAD):
            for line in pool.map(make_line, images[start : start + _AHEAD]):
                if error := line.get("error"):
                    failed += 1
                    examples.append((str(line["image"]), str(error)))
                    del examples[_EXAMPLES:]
                target.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            on_line(min(start + _AHEAD, len(images)))
    return Joined(len(images) - failed, failed, tuple(examples))


def _images(s3: S3Client, transcription: Transcription, reasons: Reasons) -> Iterator[_Image]:
    for each in transcription.left_out:
        yield _Image(each.key, error=each.error)
    for job in transcription.shards:
        present = _answers(s3, job)
        for key in read_keys(s3, job):
            answer = answer_uri(job, key)
            if answer in present:
                yield _Image(key, answer)
            else:
                yield _Image(key, error=reasons.why(job.job))


def _answers(s3: S3Client, job: Job) -> set[str]:
    bucket, prefix = split_uri(job.output_uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = (item["Key"] for page in pages for item in page.get("Contents", []))
    return {object_uri(bucket, key) for key in keys}


def _line(s3: S3Client, transcription: Transcription, image: _Image) -> dict[str, object]:
    line: dict[str, object] = {
        "image": object_uri(transcription.bucket, image.key),
        "predictions": [],
    }
    if image.error:
        return {**line, "error": image.error}
    try:
        answer = _Answer.model_validate_json(read_object(s3, image.answer))
    except ValidationError:
        return {**line, "error": f"{image.answer} is no reading."}
    line["predictions"] = [prediction.model_dump() for prediction in answer.predictions]
    return {**line, "error": answer.error} if answer.error else line
