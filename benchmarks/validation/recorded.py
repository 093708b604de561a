"""A bucket with a drop of any size in it, as S3's own answers tell of it.

Listings are made page by page as XML and read by botocore, so that their cost is the real one; only
the network is missing. What is written goes into a folder.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import botocore.session
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from PIL import Image

DATASET = "large"
ROOT = f"incoming/{DATASET}/"
LABELS = f"{ROOT}labels/train.txt"
_PAGE = 1000
_ROWS_AT_ONCE = 4000
# One line in so many has no image, no tab, or a character that the model cannot write.
_FAULTY, _KINDS = 200, 4
_IMAGE_BYTES, _ROW_BYTES = 2048, 64
_DATE = "2026-11-22T10:15:45.000Z"
# Of everything alike: what is read must be what was listed.
_ETAG = "d41d8cd98f00b204e9800998ecf8427e"


class RecordedClient:
    """The calls of an S3 client that the functions make."""

    def __init__(self, lines: int, folder: Path) -> None:
        """Have a drop of so many lines, one image each; keep what is written in a folder."""
        self._lines = lines
        self._folder = folder

    def get_paginator(self, name: str) -> RecordedClient:
        """List only."""
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """List the drop; there is nothing else to list."""
        del Bucket
        if not ROOT.startswith(Prefix) and not Prefix.startswith(ROOT):
            yield {}
            return
        for first in range(0, self._lines, _PAGE):
            numbers = range(first, min(first + _PAGE, self._lines))
            yield self._parsed({_key(each): _IMAGE_BYTES for each in numbers})
        yield self._parsed({LABELS: self._lines * _ROW_BYTES})

    def get_object(self, Bucket: str, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Read the label file, an image, or what was written."""
        del Bucket
        if Key == LABELS:
            return {"Body": _Body(io.BufferedReader(_Rows(self._lines))), "ETag": f'"{_ETAG}"'}
        if Key.startswith(ROOT):
            return {"Body": _Body(io.BytesIO(self._image(Key))), "ETag": '"image"'}
        path = self._path(Key)
        if not path.exists():
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
        return {"Body": _Body(path.open("rb")), "ETag": '"written"'}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: object) -> None:  # noqa: N803
        """Write a small object."""
        del Bucket
        self._path(Key).write_bytes(Body)

    def upload_fileobj(self, file: BinaryIO, bucket: str, key: str, **_: object) -> None:
        """Write an object of any size."""
        del bucket
        with self._path(key).open("wb") as target:
            shutil.copyfileobj(file, target)

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        """Write an object of any size from a file."""
        del bucket
        shutil.copyfile(path, self._path(key))

    def download_file(self, bucket: str, key: str, path: str) -> None:
        """Read an object of any size into a file."""
        del bucket
        shutil.copyfile(self._path(key), path)

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()

    def _parsed(self, sizes: dict[str, int]) -> dict[str, Any]:
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{_DATE}</LastModified>"
            f"<ETag>&quot;{_ETAG}&quot;</ETag><Size>{size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, size in sizes.items()
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        answer = {"body": body.encode(), "headers": {}, "status_code": 200}
        parsed: dict[str, Any] = self._parser.parse(answer, self._shape)
        return parsed

    @cached_property
    def _parser(self) -> Any:  # noqa: ANN401  # botocore has no types for it
        return create_parser("rest-xml")

    @cached_property
    def _shape(self) -> Any:  # noqa: ANN401
        model = botocore.session.get_session().get_service_model("s3")
        return model.operation_model("ListObjectsV2").output_shape

    def _image(self, key: str) -> bytes:
        """Make a picture of the size of a cropped line; each has its own bytes."""
        shade = hashlib.sha256(key.encode()).digest()
        picture = Image.frombytes("RGB", (2, 5), shade[:30]).resize((320, 48))
        out = io.BytesIO()
        picture.save(out, format="JPEG", quality=90, comment=shade)
        return out.getvalue()


class _Body:
    """What get_object gives to read from."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self) -> bytes:
        with self._file:
            return self._file.read()

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        with self._file:
            while chunk := self._file.read(size):
                yield chunk


class _Rows(io.RawIOBase):
    """The label file, made while it is read."""

    def __init__(self, lines: int) -> None:
        self._rows = _rows(lines)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # any writable buffer
        if not self._rest:
            self._rest = next(self._rows, b"")
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


def _key(number: int) -> str:
    return f"{ROOT}images/2026-11/scanner-07/{number:09d}.jpg"


def _rows(lines: int) -> Iterator[bytes]:
    for first in range(0, lines, _ROWS_AT_ONCE):
        numbers = range(first, min(first + _ROWS_AT_ONCE, lines))
        yield "".join(map(_row, numbers)).encode()


def _row(number: int) -> str:
    path = _key(number).removeprefix(ROOT)
    text = f"No. {number * 7919 % 10**8:08d} / {number % 97}"
    faults = {
        0: f"images/lost/{number}.jpg\t{text}\n",
        1: f"{path} {text}\n",
        2: f"{path}\t{text} {chr(0x4E00 + number % 2000)}\n",
        3: f"{path}\tNo. 1\n{path}\tNo. 2\n",
    }
    if number % _FAULTY:
        return f"{path}\t{text}\n"
    return faults[number // _FAULTY % _KINDS]
