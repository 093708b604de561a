"""The model artefact: which files it holds, its manifest with checksums, packing and unpacking."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

WEIGHTS = "best_accuracy.pdparams"
CONFIG = "config.yml"
DICTIONARY = "dict.txt"
MANIFEST = "manifest.json"
MODEL_ONNX = "inference/model.onnx"

_MAX_FILES = 100
_MAX_UNPACKED_BYTES = 4 * 1024**3
_CHUNK = 1024 * 1024


class ArtefactError(ValueError):
    """The model artefact cannot be used; the message is one sentence."""


class Manifest(BaseModel):
    """manifest.json: where the model comes from, what it is, and the checksum of every file."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    run_id: str
    parent_package_arn: str = ""
    dataset_ids: tuple[str, ...] = ()
    dictionary_size: int = Field(ge=1)
    metrics: dict[str, float | int | str | None] = {}
    versions: dict[str, str] = {}
    # The course of the training, one entry per epoch.
    history: tuple[dict[str, float | int | None], ...] = ()
    sha256: dict[str, str] = {}
    family: str
    image_shape: tuple[int, int, int]

    def verify(self, model_dir: Path, files: Iterable[str]) -> None:
        """Raise ArtefactError unless these files are present with the checksums on record."""
        for name in files:
            path = model_dir / name
            if not path.is_file():
                raise ArtefactError(f"The model artefact lacks {name}.")
            if name in self.sha256 and file_sha256(path) != self.sha256[name]:
                raise ArtefactError(
                    f"{name} differs from its checksum in {MANIFEST}; the artefact is damaged."
                )


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def checksums(model_dir: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the artefact but the manifest, by relative name."""
    files = sorted(path for path in model_dir.rglob("*") if path.is_file())
    names = {path.relative_to(model_dir).as_posix(): path for path in files}
    return {name: file_sha256(path) for name, path in names.items() if name != MANIFEST}


def read_manifest(model_dir: Path) -> Manifest:
    """Read manifest.json. Raises ArtefactError when it is missing or malformed."""
    try:
        return Manifest.model_validate_json((model_dir / MANIFEST).read_bytes())
    except OSError as error:
        raise ArtefactError(
            f"The model artefact lacks {MANIFEST}; complete it with package-model."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ArtefactError(f"{MANIFEST} is malformed at {where}: {first['msg']}.") from error


def write_manifest(manifest: Manifest, model_dir: Path) -> None:
    """Write manifest.json with the checksums of the files that are there now."""
    complete = manifest.model_copy(update={"sha256": checksums(model_dir)})
    text = complete.model_dump_json(indent=2) + "\n"
    (model_dir / MANIFEST).write_text(text, encoding="utf-8")


def pack(model_dir: Path, archive: Path) -> None:
    """Write the directory as a tar.gz whose bytes depend on the contents alone; atomic."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(archive.name + ".partial")
    with (
        partial.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(model_dir.rglob("*")):
            if path.is_file():
                tar.add(path, path.relative_to(model_dir).as_posix(), filter=_anonymous)
    partial.replace(archive)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def unpack(archive: Path, target: Path) -> Path:
    """Unpack a model.tar.gz into the directory and return it; only plain files inside are written.

    Raises ArtefactError when it is no archive, or holds links, devices, paths that leave the
    directory, or more than a model can be.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as tar:
            _extract_members(tar, target)
    except FileNotFoundError as error:
        raise ArtefactError(f"The model archive {archive.name} does not exist.") from error
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, ArtefactError):
            raise
        raise ArtefactError(
            f"{archive.name} cannot be unpacked as a tar archive: {error}."
        ) from error
    return target


def _extract_members(tar: tarfile.TarFile, target: Path) -> None:
    files = size = 0
    for member in tar:
        if member.isdir():
            continue
        relative = _safe_name(member)
        files += 1
        size += member.size
        if files > _MAX_FILES or size > _MAX_UNPACKED_BYTES:
            raise ArtefactError("The model archive holds more than a model can be; not unpacked.")
        source = tar.extractfile(member)
        if source is None:
            raise ArtefactError(f"The model archive's {member.name!r} has no contents.")
        path = target / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        with source, path.open("wb") as sink:
            shutil.copyfileobj(source, sink, _CHUNK)


def _safe_name(member: tarfile.TarInfo) -> PurePosixPath:
    if not member.isfile():
        raise ArtefactError(
            f"The model archive's {member.name!r} is a link or device; only files are accepted."
        )
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise ArtefactError(f"The model archive's {member.name!r} leaves the directory; refused.")
    return path
