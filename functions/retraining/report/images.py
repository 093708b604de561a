"""Which bytes a container image's name stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

_NAME = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/"
    r"(?P<repository>[a-z0-9._/-]+)(:(?P<tag>[A-Za-z0-9._-]+)|@(?P<digest>sha256:[0-9a-f]{64}))"
)


def digest_of(client: ECRClient, image: str) -> str:
    """Give the digest that an image's tag stands for now; "" when nobody can tell."""
    found = _NAME.fullmatch(image)
    if found is None:
        return ""
    if found["digest"]:
        return found["digest"]
    try:
        told = client.describe_images(
            registryId=found["registry"],
            repositoryName=found["repository"],
            imageIds=[{"imageTag": found["tag"]}],
        )
    # Whatever it is, the report is worth more than the digest.
    except (ClientError, BotoCoreError):
        return ""
    details = told.get("imageDetails") or [{}]
    return details[0].get("imageDigest", "")
