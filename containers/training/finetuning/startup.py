"""Telling why a job could not even begin. Imports nothing that an image could lack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def imports_reported_to(path: Path) -> Iterator[None]:
    """Write a failed import to the file that SageMaker shows to people, and exit with 1."""
    try:
        yield
    # A package's import can fail in any way, not only with ImportError.
    except Exception as error:
        report(path, f"The image cannot run its own code: {type(error).__name__}: {error}")
        sys.exit(1)


def report(path: Path, sentence: str) -> None:
    """Write a sentence to the file that SageMaker shows to people, and to the log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sentence, encoding="utf-8")
    print(f"error: {sentence}", file=sys.stderr, flush=True)
