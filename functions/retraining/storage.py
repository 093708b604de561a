"""The bucket, as the rest of the package uses it."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_CHUNK = 256 * 1024
# Rows are gathered in memory up to this size, larger files on the disk.
_IN_MEMORY = 4 * 1024 * 1024


class NoSuchObjectError(Exception):
    """A key that must exist does not."""


@dataclass(frozen=True)
class StoredObject:
    """One object; ``size`` in bytes, ``etag`` without quotes, ``version_id`` "" in listings."""

    key: str
    size: int
    etag: str
    version_id: str = ""


@dataclass(frozen=True)
class Content:
    """The bytes of an object and the ETag they belong to."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Stream:
    """The bytes of an object, piece by piece, and the ETag they belong to."""

    chunks: Iterator[bytes]
    etag: str


@dataclass(frozen=True)
class Page:
    """A part of a listing; ``last`` is the key that the next part begins after, "" at the end."""

    objects: tuple[StoredObject, ...]
    last: str


class Bucket:
    """One bucket. All methods raise botocore's ClientError when S3 refuses."""

    def __init__(self, client: "S3Client", name: str) -> None:
        """Work on the bucket of that name through the given client."""
        self._client = client
        self.name = name

    def uri(self, key: str) -> str:
        """Give the s3:// URI of a key."""
        return f"s3://{self.name}/{key}"

    def key(self, uri: str) -> str:
        """Give the key of an s3:// URI of this bucket.

        Raises ValueError when the URI points elsewhere.
        """
        prefix = f"s3://{self.name}/"
        if not uri.startswith(prefix):
            raise ValueError(f"{uri} does not lie in the bucket {self.name}; move it there.")
        return uri.removeprefix(prefix)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List all objects below a prefix, except the empty ones that consoles make as folders."""
        for page in self._pages(Prefix=prefix):
            yield from _stored(page)

    def list_pages(self, prefix: str, after: str) -> "Iterator[Page]":
        """List the same page by page, beginning after a key: one request each."""
        for page in self._pages(Prefix=prefix, **({"StartAfter": after} if after else {})):
            last = page["Contents"][-1]["Key"] if page.get("IsTruncated") else ""
            yield Page(tuple(_stored(page)), last)

    def folders(self, prefix: str) -> Iterator[str]:
        """Name the folders directly below a prefix, whatever they hold."""
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for each in page.get("CommonPrefixes", []):
                yield each["Prefix"].removeprefix(prefix).removesuffix("/")

    def _pages(self, **arguments: Any) -> "Iterator[ListObjectsV2OutputTypeDef]":  # noqa: ANN401
        paginator = self._client.get_paginator("list_objects_v2")
        return iter(paginator.paginate(Bucket=self.name, **arguments))

    def head(self, key: str) -> StoredObject | None:
        """Describe an object as it is now, or None when there is none."""
        try:
            found = self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return StoredObject(
            key, found["ContentLength"], found["ETag"].strip('"'), found.get("VersionId", "")
        )

    def read(self, key: str) -> Content:
        """Read an object.

        Raises NoSuchObjectError when there is none.
        """
        found = self._get(key)
        return Content(found["Body"].read(), found["ETag"].strip('"'))

    def stream(self, key: str) -> Stream:
        """Read an object of any size, piece by piece.

        Raises NoSuchObjectError when there is none.
        """
        found = self._get(key)
        return Stream(found["Body"].iter_chunks(_CHUNK), found["ETag"].strip('"'))

    def _get(self, key: str) -> "GetObjectOutputTypeDef":
        try:
            return self._client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise NoSuchObjectError(f"There is no {self.uri(key)}.") from error
            raise

    def read_rows(self, key: str) -> Iterator[str]:
        """Read UTF-8 text row by row, without the line feeds; raises like ``stream``."""
        rest = b""
        for chunk in self.stream(key).chunks:
            # Not splitlines(): it would also split inside texts, at U+2028 and other rare ones.
            *rows, rest = (rest + chunk).split(b"\n")
            yield from (row.decode("utf-8") for row in rows)
        if rest:
            yield rest.decode("utf-8")

    def read_part(self, stored: StoredObject, start: int, length: int) -> bytes:
        """Read some bytes of an object; S3 refuses when it is no longer the version given."""
        found = self._client.get_object(
            Bucket=self.name,
            Key=stored.key,
            IfMatch=f'"{stored.etag}"',
            Range=f"bytes={start}-{start + length - 1}",
        )
        return found["Body"].read()

    def read_text(self, key: str) -> str:
        """Read an object as UTF-8 text."""
        return self.read(key).body.decode("utf-8")

    def read_json(self, key: str) -> Any:  # noqa: ANN401  # JSON is whatever the writer wrote
        """Read an object as JSON."""
        return json.loads(self.read(key).body)

    def write_text(self, key: str, text: str) -> str:
        """Write UTF-8 text and return its URI."""
        return self._write(key, text, "text/plain; charset=utf-8")

    def write_html(self, key: str, text: str) -> str:
        """Write an HTML page and return its URI."""
        return self._write(key, text, "text/html; charset=utf-8")

    def write_bytes(self, key: str, content: bytes) -> str:
        """Write bytes and return their URI."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content)
        return self.uri(key)

    def write_stream(self, key: str, content: BinaryIO) -> str:
        """Write what a file gives, in parts, and return its URI; it is read in this thread."""
        self._client.upload_fileobj(
            content, self.name, key, Config=TransferConfig(use_threads=False)
        )
        return self.uri(key)

    def write_rows(self, key: str, rows: Iterable[str]) -> str:
        """Write UTF-8 text of any size from its rows, each with its line feed; returns its URI."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            for row in rows:
                file.write(row.encode("utf-8"))
            file.seek(0)
            self._client.upload_fileobj(
                file, self.name, key, ExtraArgs={"ContentType": "text/plain; charset=utf-8"}
            )
        return self.uri(key)

    def upload(self, key: str, path: Path) -> str:
        """Write a file of any size and return its URI."""
        self._client.upload_file(str(path), self.name, key)
        return self.uri(key)

    def download(self, key: str, path: Path) -> None:
        """Read an object of any size into a file.

        Raises NoSuchObjectError when there is none.
        """
        try:
            self._client.download_file(self.name, key, str(path))
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise NoSuchObjectError(f"There is no {self.uri(key)}.") from error
            raise

    def write_json(self, key: str, value: object) -> str:
        """Write JSON and return its URI."""
        return self._write(key, json.dumps(value, ensure_ascii=False, indent=2), "application/json")

    def _write(self, key: str, text: str, content_type: str) -> str:
        self._client.put_object(
            Bucket=self.name, Key=key, Body=text.encode("utf-8"), ContentType=content_type
        )
        return self.uri(key)


def _stored(page: "ListObjectsV2OutputTypeDef") -> Iterator[StoredObject]:
    for each in page.get("Contents", []):
        if not each["Key"].endswith("/"):
            yield StoredObject(each["Key"], each["Size"], each["ETag"].strip('"'))
