"""Sharing images out among transform jobs, within the limits of Batch Transform.

A payload has at most 100 MB, and so have all requests at once: images of about one size share a
job, so that one large photograph does not slow down thousands of small lines. A manifest may name
any number of objects, but a job that fails says nothing about which of them it has not read, and
lists all before it begins; 20,000 keep that short. See CreateTransformJob in the SageMaker API
reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ocr_retrain.errors import UserError
from ocr_retrain.phrases import size
from ocr_retrain.prediction import MAX_IMAGE_BYTES
from retraining.s3_layout import ARCHIVE_SUFFIXES

IMAGES_PER_JOB = 20_000
# A plan and its result are kept in this process's memory.
MOST_IMAGES = 1_000_000
# What annotators keep beside images.
COMPANIONS = (".txt", ".csv", ".json", ".jsonl", ".xml", ".manifest", *ARCHIVE_SUFFIXES)

_MEGABYTE = 1024 * 1024
_MEGABYTES_AT_ONCE = 100
# The server takes 64 requests; what waits longer than it may is answered with an error.
_MOST_AT_ONCE = 50
_SMALL_BYTES = 2 * _MEGABYTE


@dataclass(frozen=True)
class StoredImage:
    """An object that is to be read: its key, and its size in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class SetAside:
    """An image that is not sent to any job, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Shard:
    """The images of one transform job, and what it may send at once."""

    images: tuple[StoredImage, ...]
    payload_megabytes: int
    at_once: int


@dataclass(frozen=True)
class Plan:
    """What is read by which job, and what by none."""

    shards: tuple[Shard, ...]
    set_aside: tuple[SetAside, ...]


def make_plan(images: Iterable[StoredImage], images_per_job: int = IMAGES_PER_JOB) -> Plan:
    """Share the images out.

    Raises UserError when there are none, or more than one transcription takes.
    """
    usable: list[StoredImage] = []
    set_aside: list[SetAside] = []
    for image in sorted(images, key=lambda each: each.key):
        if reason := _why_not(image):
            set_aside.append(SetAside(image.key, reason))
        else:
            usable.append(image)
    if len(usable) > MOST_IMAGES:
        raise UserError(
            f"There are {len(usable):,} images; one transcription takes {MOST_IMAGES:,}: name a "
            "part of them, such as a subfolder."
        )
    small = [image for image in usable if image.size <= _SMALL_BYTES]
    large = [image for image in usable if image.size > _SMALL_BYTES]
    shards = [_shard(part) for some in (small, large) for part in _portions(some, images_per_job)]
    return Plan(tuple(shards), tuple(set_aside))


def is_companion(key: str) -> bool:
    """Tell whether an object is by its name a folder, or what lies beside images."""
    return key.endswith("/") or key.lower().endswith(COMPANIONS)


def _why_not(image: StoredImage) -> str:
    if image.size == 0:
        return "The object is empty."
    if image.size > MAX_IMAGE_BYTES:
        return f"The image has {size(image.size)}; at most {size(MAX_IMAGE_BYTES)} can be read."
    return ""


def _shard(images: Sequence[StoredImage]) -> Shard:
    largest = max(image.size for image in images)
    payload = -(-largest // _MEGABYTE)
    return Shard(tuple(images), payload, min(_MOST_AT_ONCE, _MEGABYTES_AT_ONCE // payload))


def _portions(images: Sequence[StoredImage], number: int) -> Iterator[Sequence[StoredImage]]:
    for start in range(0, len(images), number):
        yield images[start : start + number]
