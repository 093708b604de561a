"""Where the images of a transcription come from: a prefix, one object, or this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_retrain.dataset_folder import DatasetFolder, FolderFile, dataset_name, list_files
from ocr_retrain.drop import upload
from ocr_retrain.errors import UserError
from ocr_retrain.s3_uris import SCHEME, split_prefix
from ocr_retrain.transcription.plan import StoredImage, is_companion
from ocr_retrain.upload_progress import upload_progress
from retraining.s3_layout import TRANSCRIBABLE, images_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Source:
    """Images in a bucket; ``others`` counts the objects that are no images by their names."""

    bucket: str
    images: tuple[StoredImage, ...]
    others: int


def find_images(s3: S3Client, own_bucket: str, given: str) -> Source:
    """Return the images that an S3 URI or a path stands for; those of a path are uploaded first.

    Raises UserError when there are none, and for a place that transform jobs may not read.
    """
    source = (
        _in_s3(s3, own_bucket, given)
        if given.startswith(SCHEME)
        else _upload(s3, own_bucket, Path(given))
    )
    if not source.images:
        raise UserError(f"There are no images under {given}.")
    return source


def _in_s3(s3: S3Client, own_bucket: str, uri: str) -> Source:
    bucket, prefix = split_prefix(uri)
    if bucket == own_bucket and not prefix.startswith(TRANSCRIBABLE):
        places = ", ".join(TRANSCRIBABLE)
        raise UserError(
            f"{uri} cannot be read by transform jobs: in {bucket} they may read {places}. Other "
            "buckets are named by the stack's parameter TranscriptionInputs."
        )
    images, others = [], 0
    for image in _listed(s3, bucket, prefix):
        if image.key != prefix and is_companion(image.key):
            others += not image.key.endswith("/")
        else:
            images.append(image)
    return Source(bucket, tuple(images), others)


def _listed(s3: S3Client, bucket: str, prefix: str) -> Iterator[StoredImage]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", []):
            # `page-1` is not asked for by `page`, but `page/1` is.
            if prefix.endswith("/") or not prefix or item["Key"][len(prefix) :][:1] in ("", "/"):
                yield StoredImage(item["Key"], item["Size"])


def _upload(s3: S3Client, bucket: str, path: Path) -> Source:
    if path.is_dir():
        root, files = path, list_files(path)
    elif path.is_file():
        root, files = path.parent, [FolderFile(path, path.name, path.stat().st_size)]
    else:
        raise UserError(f"There is no {path}; give a folder, an image or an s3:// URI.")
    images = [file for file in files if path.is_file() or not is_companion(file.relative)]
    if not images:
        return Source(bucket, (), len(files))
    prefix = images_prefix(dataset_name(root, None))
    folder = DatasetFolder(root, tuple(images), ())
    with upload_progress(folder) as on_file:
        upload(s3, bucket, prefix, folder, on_file)
    stored = tuple(StoredImage(prefix + file.relative, file.size) for file in images)
    return Source(bucket, stored, len(files) - len(images))
