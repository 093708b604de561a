"""Reading objects by ``s3://`` URI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
_MISSING = ("NoSuchKey", "NoSuchBucket", "404")


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``; raises UserError for anything else."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not bucket or not key:
        raise UserError(f"{uri!r} is not an s3:// URI of an object.")
    return bucket, key


def split_prefix(uri: str) -> tuple[str, str]:
    """Return bucket and key prefix of ``s3://bucket/prefix``; the prefix may be empty.

    Raises UserError for anything else.
    """
    bucket, _, prefix = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not bucket:
        raise UserError(f"{uri!r} is not an s3:// URI.")
    return bucket, prefix


def read_object(s3: S3Client, uri: str) -> bytes:
    """Return an object's content; raises UserError when there is none."""
    bucket, key = split_uri(uri)
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"].get("Code") in _MISSING:
            raise UserError(f"There is no {uri}.") from error
        raise


def object_uri(bucket: str, key: str) -> str:
    """Return the URI of an object."""
    return f"{SCHEME}{bucket}/{key}"
