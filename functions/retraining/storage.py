"""The bucket, as the rest of the package uses it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


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
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        for page in pages:
            for each in page.get("Contents", []):
                if not each["Key"].endswith("/"):
                    yield StoredObject(each["Key"], each["Size"], each["ETag"].strip('"'))

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
        try:
            found = self._client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise NoSuchObjectError(f"There is no {self.uri(key)}.") from error
            raise
        return Content(found["Body"].read(), found["ETag"].strip('"'))

    def read_text(self, key: str) -> str:
        """Read an object as UTF-8 text."""
        return self.read(key).body.decode("utf-8")

    def read_json(self, key: str) -> Any:  # noqa: ANN401  # JSON is whatever the writer wrote
        """Read an object as JSON."""
        return json.loads(self.read(key).body)

    def write_text(self, key: str, text: str) -> str:
        """Write UTF-8 text and return its URI."""
        return self._write(key, text, "text/plain; charset=utf-8")

    def write_json(self, key: str, value: object) -> str:
        """Write JSON and return its URI."""
        return self._write(key, json.dumps(value, ensure_ascii=False, indent=2), "application/json")

    def _write(self, key: str, text: str, content_type: str) -> str:
        self._client.put_object(
            Bucket=self.name, Key=key, Body=text.encode("utf-8"), ContentType=content_type
        )
        return self.uri(key)
