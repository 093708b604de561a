"""Which code made a result."""

from __future__ import annotations

import functools
import hashlib

from benchmarks.places import REPOSITORY

_CODE = (".py", ".yml")


@functools.cache
def trainer_version() -> str:
    """Return a name for the trainer's code and recipes as they are now."""
    digest = hashlib.sha256()
    for folder in (REPOSITORY.training_container, REPOSITORY.shared_code):
        for file in sorted(path for path in folder.rglob("*") if path.suffix in _CODE):
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
