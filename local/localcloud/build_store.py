"""Build results kept by the content they were made from, shared by all clouds of a repository."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_KEEP_SECONDS = 7 * 86400


class BuildStore:
    """A directory of directories, each named by a hash and complete once it exists."""

    def __init__(self, directory: Path) -> None:
        """Use ``directory``, which is made when first needed."""
        self._directory = directory

    def get(self, key: str, make: Callable[[Path], None]) -> Path:
        """Return the directory of ``key``; ``make`` fills a new one when there is none.

        Two processes that need the same key at once make it one after the other: the second
        finds what the first made.
        """
        result = self._directory / key
        if not result.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            with self._lock(key):
                if not result.exists():
                    self._make(result, make)
        # The age decides what is removed; a copy in use must look young.
        os.utime(result)
        self._remove_old()
        return result

    def _make(self, result: Path, make: Callable[[Path], None]) -> None:
        scratch = result.with_name(f".{result.name}.{os.getpid()}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            make(scratch)
            scratch.rename(result)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        with (self._directory / f".{key}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _remove_old(self) -> None:
        oldest = time.time() - _KEEP_SECONDS
        for entry in self._directory.iterdir():
            with contextlib.suppress(OSError):
                if entry.stat().st_mtime < oldest:
                    if entry.is_dir():
                        shutil.rmtree(entry)
                    else:
                        entry.unlink()


def content_hash(paths: Iterable[Path], *extra: str) -> str:
    """Return a hash of files and directory trees: names, contents and execute bits."""
    digest = hashlib.sha256()
    for text in extra:
        digest.update(text.encode() + b"\0")
    for path in paths:
        for file in _files(path):
            name = file.relative_to(path.parent).as_posix()
            is_executable = bool(file.stat().st_mode & 0o100)
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{name}\0{is_executable}\0{content}\n".encode())
    return digest.hexdigest()[:32]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(
        file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    )
