"""Uploading so that a retraining follows: images first, label files last, resumable."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocr_retrain.connection import UPLOAD_THREADS
from ocr_retrain.dataset_folder import LABEL_SUFFIX, DatasetFolder, FolderFile
from ocr_retrain.errors import UserError
from retraining.s3_layout import INCOMING, golden_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OnFile = Callable[[FolderFile], None]  # called for each file that is in place


@dataclass(frozen=True)
class StoredObject:
    """What S3 lists of an object: its size in bytes and its ETag without quotes."""

    size: int
    etag: str


@dataclass(frozen=True)
class DropResult:
    """What a drop did; ``bytes`` counts what was sent, ``uri`` ends with a slash.

    ``news`` tells whether a label file or archive differs from what was there: only that starts a
    run.
    """

    uri: str
    uploaded: int
    unchanged: int
    bytes: int
    label_files: tuple[str, ...]
    news: bool = True


def drop(
    s3: S3Client, bucket: str, folder: DatasetFolder, name: str, on_file: OnFile
) -> DropResult:
    """Upload ``folder`` as dataset ``name``.

    Label files and archives are always sent, one after the other, after all images: their arrival
    starts a run. Raises UserError when neither the folder nor the bucket has an image for them.
    """
    return upload(s3, bucket, f"{INCOMING}{name}/", folder, on_file)


def drop_golden(
    s3: S3Client, bucket: str, folder: DatasetFolder, name: str, on_file: OnFile
) -> DropResult:
    """Upload ``folder`` as golden set ``name``; see ``drop``."""
    return upload(s3, bucket, golden_prefix(name), folder, on_file)


def upload(
    s3: S3Client, bucket: str, prefix: str, folder: DatasetFolder, on_file: OnFile
) -> DropResult:
    """Upload ``folder`` below ``prefix`` (which ends with a slash); see ``drop``."""
    stored = _stored_objects(s3, bucket, prefix)
    brings_images = folder.images or folder.archives
    if not brings_images and all(key.lower().endswith(LABEL_SUFFIX) for key in stored):
        raise UserError(f"{folder.root} has label files but no image.")
    target = _Target(s3, bucket, prefix)
    sent = _send_changed(target, folder.images, stored, on_file)
    news = not all(is_unchanged(each, stored.get(each.relative)) for each in folder.announcing)
    for file in folder.announcing:
        target.send(file)
        on_file(file)
    sent = [*sent, *folder.announcing]
    return DropResult(
        uri=f"s3://{bucket}/{prefix}",
        uploaded=len(sent),
        unchanged=len(folder.images) + len(folder.announcing) - len(sent),
        bytes=sum(file.size for file in sent),
        label_files=tuple(label.relative for label in folder.labels),
        news=news,
    )


@dataclass(frozen=True)
class _Target:
    s3: S3Client
    bucket: str
    prefix: str

    def send(self, file: FolderFile) -> None:
        content_type, _ = mimetypes.guess_type(file.relative)
        # In parts where one request may not hold it: archives are large.
        self.s3.upload_file(
            str(file.path),
            self.bucket,
            self.prefix + file.relative,
            ExtraArgs={"ContentType": content_type or "application/octet-stream"},
        )

    def send_if_changed(self, file: FolderFile, stored: StoredObject | None) -> bool:
        if is_unchanged(file, stored):
            return False
        self.send(file)
        return True


def _send_changed(
    target: _Target,
    files: Iterable[FolderFile],
    stored: Mapping[str, StoredObject],
    on_file: OnFile,
) -> list[FolderFile]:
    sent: list[FolderFile] = []
    pool = ThreadPoolExecutor(UPLOAD_THREADS)
    try:
        futures = {
            pool.submit(target.send_if_changed, file, stored.get(file.relative)): file
            for file in files
        }
        for future in as_completed(futures):
            if future.result():
                sent.append(futures[future])
            on_file(futures[future])
    finally:
        # After a failure or Ctrl-C nothing new begins; what is under way may finish.
        pool.shutdown(wait=True, cancel_futures=True)
    return sent


def is_unchanged(file: FolderFile, stored: StoredObject | None) -> bool:
    """Return whether ``stored`` has the file's content already (by size, then by MD5 ETag)."""
    if stored is None or stored.size != file.size:
        return False
    with file.path.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
    return stored.etag == digest.hexdigest()


def _stored_objects(s3: S3Client, bucket: str, prefix: str) -> dict[str, StoredObject]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        item["Key"].removeprefix(prefix): StoredObject(item["Size"], item["ETag"].strip('"'))
        for page in pages
        for item in page.get("Contents", [])
    }
