"""Reading S3 objects for jobs and servers.

The objects live in this very process, so they are read from moto's backend instead of through its
HTTP port: thousands of small files cost microseconds each instead of 4 ms, and the cloud stays
responsive meanwhile. Writing goes through the public API, because writes must raise events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from localcloud.context import CloudContext
from localcloud.sagemaker_errors import JobInputError


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key, or key prefix (which may be empty)."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Location:
        """Parse ``s3://bucket/key``; raises JobInputError for anything else."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise JobInputError(f"{uri!r} is not an S3 URI: write it as s3://bucket/key.")
        return cls(bucket, key)

    def child(self, relative: str) -> S3Location:
        """Return the location of ``relative`` below this prefix."""
        return S3Location(self.bucket, f"{self.key.rstrip('/')}/{relative}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ObjectReader:
    """Reads the latest versions of objects."""

    def __init__(self, context: CloudContext) -> None:
        """Read the buckets of ``context``'s account."""
        self._account_id = context.account_id
        self._partition = get_partition(context.region)

    def keys(self, prefix: S3Location) -> list[str]:
        """Return the sorted keys that begin with ``prefix``; none when the bucket is missing."""
        try:
            bucket = self._backend().get_bucket(prefix.bucket)
        except ServiceException:
            return []
        # A snapshot: other threads put objects meanwhile.
        candidates = [key for key in list(bucket.keys) if key.startswith(prefix.key)]
        return sorted(key for key in candidates if self._object(S3Location(prefix.bucket, key)))

    def exists(self, location: S3Location) -> bool:
        """Tell whether there is such an object."""
        try:
            return self._object(location) is not None
        except ServiceException:
            return False

    def read(self, location: S3Location) -> bytes:
        """Return the object's bytes; raises JobInputError when there is no such object."""
        try:
            found = self._object(location)
        except ServiceException as error:
            raise JobInputError(f"{location} cannot be read: {error}") from error
        if found is None:
            raise JobInputError(f"{location} does not exist.")
        content: bytes = found.value
        return content

    def _object(self, location: S3Location) -> Any | None:  # noqa: ANN401 - moto is untyped here
        return self._backend().get_object(location.bucket, location.key)

    def _backend(self) -> Any:  # noqa: ANN401 - moto is untyped here
        return s3_backends[self._account_id][self._partition]
