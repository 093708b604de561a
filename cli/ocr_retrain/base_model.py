"""Making the artefact of a base model with the training runtime, once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ocr_retrain.downloads import download, file_name, is_url
from ocr_retrain.errors import UserError
from ocr_retrain.phrases import size
from ocr_retrain.repository import Repository
from ocr_retrain.terminal import INDENT, busy, note

PRETRAINED = "pp-ocrv6-small"
PACKAGED = (PRETRAINED, "pp-ocrv5-mobile", "pp-ocrv4-mobile", "pp-ocrv3-mobile")
NAMED_SOURCES = (*PACKAGED, "tiny")
_ARTEFACT = "model.tar.gz"
_DICTIONARY = "dict.txt"
_READING = "reading.json"
_PARTS = 5


@dataclass(frozen=True)
class BaseModel:
    """A complete artefact: where it is, the SHA-256 of the file, what it was made from.

    ``reading`` is a sentence about the lines that it was asked to read.
    """

    path: Path
    sha256: str
    source: str
    reading: str = ""

    def dictionary(self) -> bytes:
        """Return the artefact's character dictionary; raises UserError when it has none."""
        with tarfile.open(self.path) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and Path(member.name) == Path(_DICTIONARY):
                    return content.read()
        raise UserError(f"{self.path} holds no {_DICTIONARY}: it is not a complete model.")


def source_name(source: str) -> str:
    """Return how a source is recorded: its name, or the name of the folder or archive."""
    if is_url(source):
        return file_name(source)
    return source if source in NAMED_SOURCES else Path(source).resolve().name


def make_base_model(
    repository: Repository,
    source: str,
    indent: int = INDENT,
    sha256: str | None = None,
    lines: Path | None = None,
) -> BaseModel:
    """Return the complete artefact of ``source``: a named model, a folder, an archive, an address.

    It has read lines: those of the dataset folder ``lines``, or rendered ones. ``sha256`` is what a
    file that is fetched must have. The artefact is kept in the checkout's cache until the source
    or the packaging code changes. Raises UserError when the source does not exist, cannot be
    fetched or packaged, or does not read.
    """
    if lines is not None and not (lines / "labels").is_dir():
        raise UserError(f"{lines} has no folder labels/ with label files.")
    if is_url(source):
        source = str(_fetched(repository, source, sha256, indent))
    elif sha256 is not None:
        _require_checksum(source, sha256)
    if source not in NAMED_SOURCES and not Path(source).exists():
        known = ", ".join(PACKAGED)
        raise UserError(
            f"There is no model {source}: give a folder, a model.tar.gz or one of {known}."
        )
    if lines is not None:
        return _read_anew(repository, source, lines, indent)
    artefact = repository.cache / "base-models" / _identity(repository, source) / _ARTEFACT
    if not artefact.is_file():
        message = f"Packaging {source_name(source)} (once; this takes about a minute) ..."
        with busy(message, indent):
            _package(repository, source, artefact)
    return _described(artefact, source)


def _read_anew(repository: Repository, source: str, lines: Path, indent: int) -> BaseModel:
    """Package into a place of its own, because what was read is part of the result."""
    name = f"read-{_identity(repository, source)}"
    artefact = repository.cache / "base-models" / name / _ARTEFACT
    with busy(f"Packaging {source_name(source)} and reading {lines.name} ...", indent):
        _package(repository, source, artefact, lines)
    return _described(artefact, source)


def _described(artefact: Path, source: str) -> BaseModel:
    try:
        told = json.loads((artefact.parent / _READING).read_text(encoding="utf-8"))
        reading = str(told["sentence"])
    except (OSError, ValueError, KeyError, TypeError):
        reading = ""
    return BaseModel(artefact, _sha256(artefact), source_name(source), reading)


def _fetched(repository: Repository, url: str, sha256: str | None, indent: int) -> Path:
    told = 0

    def on_progress(done: int, total: int | None) -> None:
        nonlocal told
        if total and done * _PARTS // total > told:
            told = done * _PARTS // total
            note(f"{size(done)} of {size(total)}", indent=indent)

    note(f"Fetching {url}", indent=indent)
    return download(url, sha256, repository.cache / "downloads", on_progress)


def _require_checksum(source: str, sha256: str) -> None:
    if not Path(source).is_file():
        raise UserError(f"--sha256 is of one file, and {source} is none.")
    found = _sha256(Path(source))
    if found != sha256.lower():
        raise UserError(f"{source} has the SHA-256 {found}, not {sha256}.")


def _package(
    repository: Repository, source: str, artefact: Path, lines: Path | None = None
) -> None:
    if not repository.training_python.exists():
        raise UserError("The training runtime is missing: run `make setup` first.")
    artefact.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=artefact.parent) as workspace:
        output = Path(workspace, _ARTEFACT)
        command = [
            str(repository.training_python),
            str(repository.training_container / "bin" / "package-model"),
            *("--source", source if source in NAMED_SOURCES else str(Path(source).resolve())),
            *("--output", str(output)),
            *("--cache", str(repository.cache / "package-model")),
            *(() if lines is None else ("--lines", str(lines.resolve()))),
        ]
        _run(command, _environment(repository))
        reading = Path(workspace, _READING)
        if reading.is_file():
            reading.replace(artefact.parent / _READING)
        output.replace(artefact)
    _remove_outdated(artefact.parent)


def _remove_outdated(current: Path) -> None:
    name, _, identity = current.name.rpartition("-")
    for folder in current.parent.glob(f"{name}-{'?' * len(identity)}"):
        if folder != current:
            shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], environment: dict[str, str]) -> None:
    last = "it gave no reason"
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                last = line.strip() or last
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise UserError(f"The base model could not be packaged: {last}")


def _environment(repository: Repository) -> dict[str, str]:
    code = (repository.shared_code, repository.training_container)
    return {
        **os.environ,
        "PATH": os.pathsep.join(
            [str(repository.training_python.parent), os.environ.get("PATH", os.defpath)]
        ),
        "PYTHONPATH": os.pathsep.join(str(path) for path in code),
        "PYTHONUNBUFFERED": "1",
    }


def _identity(repository: Repository, source: str) -> str:
    digest = hashlib.sha256()
    for path in _packaging_code(repository):
        _add(digest, path, repository.root)
    digest.update(source_name(source).encode())
    if source not in NAMED_SOURCES:
        root = Path(source)
        files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
        for path in files:
            _add(digest, path, root)
    return f"{source_name(source)}-{digest.hexdigest()[:16]}"


def _packaging_code(repository: Repository) -> Iterable[Path]:
    container = repository.training_container
    yield from sorted(repository.shared_code.rglob("*.py"))
    yield from sorted(container.rglob("*.py"))
    yield from sorted(path for path in container.glob("bin/*") if path.is_file())
    yield from sorted(container.glob("requirements*.txt"))


def _add(digest: hashlib._Hash, path: Path, root: Path) -> None:
    digest.update(path.relative_to(root).as_posix().encode())
    digest.update(path.read_bytes())


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
