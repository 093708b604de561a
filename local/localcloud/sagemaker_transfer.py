"""Moving data between S3 and the directories containers see, with SageMaker's semantics.

``S3Prefix`` takes every object whose key begins with the prefix and keeps the path below it.
``ManifestFile`` is a JSON list: first ``{"prefix": "s3://bucket/path/"}``, then keys relative to
it, which are also the local paths.
"""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.sagemaker_errors import JobInputError
from localcloud.sagemaker_storage import ObjectReader, S3Location

_SYNC_SECONDS = 5.0
_THREADS = 8


@dataclass(frozen=True)
class RemoteFile:
    """An object and the relative path it gets in the container."""

    location: S3Location
    path: PurePosixPath


class Transfer:
    """Downloads to and uploads from local directories."""

    def __init__(self, context: CloudContext, clients: Clients, caller: str) -> None:
        """Work on the buckets of ``context``; ``caller`` is whose role AWS would do it with."""
        self._note = context.note
        self._caller = caller
        self._s3 = clients.get("s3")
        self._reader = ObjectReader(context)

    def resolve(self, uri: str, data_type: str) -> list[RemoteFile]:
        """Return the files that ``uri`` stands for, ``data_type`` S3Prefix or ManifestFile.

        Raises JobInputError when there is none, or when the manifest is malformed.
        """
        location = S3Location.parse(uri)
        if data_type == "ManifestFile":
            return self._resolve_manifest(location)
        listed = {"Bucket": location.bucket, "Prefix": location.key}
        self._note(self._caller, "s3", "ListObjectsV2", listed)
        return [
            RemoteFile(S3Location(location.bucket, key), _path_below(location.key, key))
            for key in self._reader.keys(location)
            if not key.endswith("/")
        ]

    def download(self, files: Sequence[RemoteFile], directory: Path) -> None:
        """Write ``files`` below ``directory``; raises JobInputError for a missing object."""
        targets = [(file, directory / _safe(file)) for file in files]
        try:
            for parent in {directory, *(target.parent for _, target in targets)}:
                parent.mkdir(parents=True, exist_ok=True)
            # One after the other: the objects come from memory, and threads that take turns at
            # tiny files need many times as long.
            for file, target in targets:
                target.write_bytes(self.read(file.location))
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise JobInputError(
                f"Data download failed: a file and a folder have the same name {error.filename}."
            ) from error

    def upload_file(self, file: Path, location: S3Location) -> None:
        """Put one object; raises JobInputError when that fails."""
        self._note_object("PutObject", location)
        try:
            with file.open("rb") as body:
                self.put(location, body)
        except OSError as error:
            raise JobInputError(f"{location} cannot be written: {error}") from error

    def put(self, location: S3Location, body: bytes | BinaryIO) -> None:
        """Put one object; raises JobInputError when that fails."""
        try:
            self._s3.put_object(Bucket=location.bucket, Key=location.key, Body=body)
        except (BotoCoreError, ClientError) as error:
            raise JobInputError(f"{location} cannot be written: {error}") from error

    def upload(self, files: Iterable[Path], root: Path, prefix: S3Location) -> None:
        """Put ``files``, named by their path below ``root``, under ``prefix``."""
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(
                lambda file: self.upload_file(
                    file, prefix.child(file.relative_to(root).as_posix())
                ),
                files,
            ):
                pass

    def read(self, location: S3Location) -> bytes:
        """Return an object's bytes; raises JobInputError when there is no such object."""
        self._note_object("GetObject", location)
        return self._reader.read(location)

    def _note_object(self, operation: str, location: S3Location) -> None:
        named = {"Bucket": location.bucket, "Key": location.key}
        self._note(self._caller, "s3", operation, named)

    def _resolve_manifest(self, location: S3Location) -> list[RemoteFile]:
        if not self._reader.exists(location):
            return []
        try:
            head, *names = json.loads(self.read(location))
            prefix = head["prefix"]
        except (ValueError, TypeError, KeyError):
            raise JobInputError(
                f'The manifest {location} is malformed: it is a JSON list of {{"prefix": '
                '"s3://bucket/"} followed by keys.'
            ) from None
        if not isinstance(prefix, str) or not all(isinstance(name, str) for name in names):
            raise JobInputError(f"The manifest {location} is malformed: its keys must be text.")
        base = S3Location.parse(prefix)
        return [
            RemoteFile(S3Location(base.bucket, base.key + name), PurePosixPath(name.lstrip("/")))
            for name in names
        ]


class DirectorySync:
    """Uploads what changes in a directory while a container runs (checkpoints)."""

    def __init__(self, transfer: Transfer, directory: Path, prefix: S3Location) -> None:
        """Nothing is uploaded before ``start`` or ``finish``; present files count as known."""
        self._transfer = transfer
        self._directory = directory
        self._prefix = prefix
        self._known = self._state()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="directory sync", daemon=True)
        self._failure: JobInputError | None = None

    def start(self) -> None:
        """Begin to upload changes every few seconds."""
        self._thread.start()

    def finish(self) -> None:
        """Stop, and upload the last changes; raises JobInputError when an upload failed."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._upload_changes()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while not self._ended.wait(_SYNC_SECONDS):
            self._upload_changes()

    def _upload_changes(self) -> None:
        now = self._state()
        changed = [file for file, version in now.items() if self._known.get(file) != version]
        try:
            self._transfer.upload(changed, self._directory, self._prefix)
        except JobInputError as error:
            self._failure = error
        else:
            self._failure, self._known = None, now

    def _state(self) -> dict[Path, tuple[int, int]]:
        state = {}
        for file in self._directory.rglob("*"):
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            if file.is_file():
                state[file] = (status.st_mtime_ns, status.st_size)
        return state


def files_below(directory: Path) -> list[Path]:
    """Return the regular files below ``directory``, sorted."""
    return sorted(file for file in directory.rglob("*") if file.is_file())


def pack(directories: Sequence[Path], archive: Path) -> None:
    """Write ``archive`` (.tar.gz) with what the directories contain at its top level."""
    # Weights hardly compress: a higher level costs seconds and saves nothing.
    with tarfile.open(archive, "w:gz", compresslevel=1) as content:
        for directory in directories:
            for entry in sorted(directory.iterdir()):
                content.add(entry, arcname=entry.name)


def unpack(archive: Path, directory: Path) -> None:
    """Extract a .tar.gz safely; raises JobInputError when it is broken or leaves ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as content:
            content.extractall(directory, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise JobInputError(f"{archive.name} cannot be unpacked: {error}") from error


def _path_below(prefix: str, key: str) -> PurePosixPath:
    if key == prefix:
        return PurePosixPath(PurePosixPath(key).name)
    if prefix and not prefix.endswith("/") and not key.startswith(f"{prefix}/"):
        # `labels` also takes `labels-old/x`: named from where the prefix stands.
        prefix = prefix.rpartition("/")[0]
    return PurePosixPath(key[len(prefix) :].lstrip("/"))


def _safe(file: RemoteFile) -> PurePosixPath:
    if not file.path.parts or file.path.is_absolute() or ".." in file.path.parts:
        raise JobInputError(f"{file.location} would be written outside its channel.")
    return file.path
