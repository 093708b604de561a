"""The pictures of the lines a report shows, as data: URIs."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from retraining import s3_layout
from retraining.storage import Bucket, NoSuchObjectError

# What evaluation.json names is not trusted to stay below its own folder.
_NAME = re.compile(r"examples/[A-Za-z0-9_-]{1,64}\.jpg")
_JPEG = b"\xff\xd8\xff"
_LARGEST = 128 * 1024
# In base64 a third more: well below what the whole report may be.
MOST_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True)
class Pictures:
    """Pictures by their names in evaluation.json, and how many of those named are not there."""

    uris: dict[str, str]
    left_out: int


def read_pictures(
    bucket: Bucket, run_id: str, names: Iterable[str], most_bytes: int = MOST_BYTES
) -> Pictures:
    """Read pictures until they are too many bytes; what is no JPEG or too large is left out."""
    wanted = list(dict.fromkeys(name for name in names if name))
    folder = s3_layout.evaluation_output(run_id)
    sizes = {}
    if wanted:
        sizes = {each.key: each.size for each in bucket.list(f"{folder}/examples/")}
    uris: dict[str, str] = {}
    rest = most_bytes
    for name in wanted:
        key = f"{folder}/{name}"
        size = sizes.get(key, _LARGEST + 1)
        if not _NAME.fullmatch(name) or size > min(_LARGEST, rest):
            continue
        if body := _read(bucket, key):
            uris[name] = f"data:image/jpeg;base64,{base64.b64encode(body).decode()}"
            rest -= len(body)
    return Pictures(uris, len(wanted) - len(uris))


def _read(bucket: Bucket, key: str) -> bytes:
    try:
        body = bucket.read(key).body
    except NoSuchObjectError:
        return b""
    return body if body.startswith(_JPEG) and len(body) <= _LARGEST else b""
