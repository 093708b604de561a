"""Tags of the resources that are ours.

moto's tag operations look into moto's own collections, where our resources are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from localcloud.sagemaker_api import Document, Operation, Parameters
from localcloud.sagemaker_errors import RequestInvalidError


class Tagged(Protocol):
    """A resource with tags."""

    arn: str
    tags: list[dict[str, str]]


class Tags:
    """Finds resources by ARN and reads and changes their tags."""

    def __init__(self, sources: Sequence[Callable[[], Iterable[Tagged]]]) -> None:
        """``sources`` give all resources that can have tags."""
        self._sources = sources

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {"AddTags": self.add, "ListTags": self.list_tags, "DeleteTags": self.delete}

    def add(self, request: Parameters) -> Document:
        """Set tags; a key that is there gets the new value."""
        resource = self._find(request["ResourceArn"])
        merged = {tag["Key"]: tag for tag in [*resource.tags, *request["Tags"]]}
        resource.tags = list(merged.values())
        return {"Tags": resource.tags}

    def list_tags(self, request: Parameters) -> Document:
        """Return all tags in one page: there are 50 at most."""
        return {"Tags": self._find(request["ResourceArn"]).tags}

    def delete(self, request: Parameters) -> Document:
        """Remove tags by key."""
        resource = self._find(request["ResourceArn"])
        resource.tags = [tag for tag in resource.tags if tag["Key"] not in request["TagKeys"]]
        return {}

    def _find(self, arn: str) -> Tagged:
        for source in self._sources:
            for resource in source():
                if resource.arn == arn:
                    return resource
        raise RequestInvalidError(f"Could not find a resource with the ARN {arn}.")
