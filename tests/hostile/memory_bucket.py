"""A bucket in memory, as far as unpacking uses one."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from retraining.storage import NoSuchObjectError, StoredObject


@dataclass
class MemoryBucket:
    """Keeps objects in a dictionary."""

    objects: dict[str, bytes] = field(default_factory=dict)
    name: str = "labelled-data"

    def put(self, key: str, content: bytes) -> str:
        """Upload an object and return its ETag."""
        self.objects[key] = content
        return _etag(content)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                content = self.objects[key]
                yield StoredObject(key, len(content), _etag(content))

    def read_json(self, key: str) -> Any:
        if key not in self.objects:
            raise NoSuchObjectError(key)
        return json.loads(self.objects[key])

    def read_part(self, stored: StoredObject, start: int, length: int) -> bytes:
        return self.objects[stored.key][start : start + length]

    def write_json(self, key: str, value: object) -> str:
        return self.put(key, json.dumps(value, ensure_ascii=False).encode())

    def write_bytes(self, key: str, content: bytes) -> str:
        return self.put(key, content)

    def write_stream(self, key: str, content: BinaryIO) -> str:
        return self.put(key, content.read())


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
