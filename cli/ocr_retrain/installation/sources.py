"""What an image is built from: the files its Dockerfile copies, their digest, and a zip of them."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from ocr_retrain.errors import UserError

# The same image as on Docker Hub, which counts the pulls of a shared build machine against it.
BASE_IMAGE = "public.ecr.aws/docker/library/python:3.11-slim-bookworm"
_COPY = re.compile(r"^\s*COPY\s+(.*)$", re.IGNORECASE | re.MULTILINE)
_CONTINUED = re.compile(r"\\\s*\n")
_BYTE_CODE = ("__pycache__", ".pyc")
_OLDEST = (1980, 1, 1, 0, 0, 0)
_TAG_DIGITS = 16
_UNKNOWN = "unknown"


class Image(StrEnum):
    """The two images of the product, by the folder of their Dockerfile."""

    TRAINING = "training"
    INFERENCE = "inference"


class Device(StrEnum):
    """What an image computes on."""

    GPU = "gpu"
    CPU = "cpu"


@dataclass(frozen=True)
class Sources:
    """The files of one image, by their paths in the repository, and how it is built from them.

    `revision` is only written down in the image: an unrelated commit makes it no other image.
    """

    image: Image
    device: Device
    files: Mapping[str, bytes]
    executable: frozenset[str]
    revision: str = _UNKNOWN

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of everything that decides what the image becomes, as 64 hex digits."""
        seen = hashlib.sha256(f"{self.device}\n{BASE_IMAGE}\n".encode())
        for path in sorted(self.files):
            content = hashlib.sha256(self.files[path]).hexdigest()
            seen.update(f"{path}\n{path in self.executable}\n{content}\n".encode())
        return seen.hexdigest()

    @property
    def tag(self) -> str:
        """The image's tag: equal sources have equal tags."""
        return f"{self.device}-{self.digest[:_TAG_DIGITS]}"

    def archive(self) -> bytes:
        """Return a zip of the files; equal sources give equal bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.files):
                member = zipfile.ZipInfo(path, _OLDEST)
                member.create_system = 3
                mode = 0o755 if path in self.executable else 0o644
                member.external_attr = (stat.S_IFREG | mode) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, self.files[path])
        return buffer.getvalue()


def read_sources(root: Path, image: Image, device: Device) -> Sources:
    """Return what ``image`` is built from; raises UserError when a file it copies is missing."""
    dockerfile = f"containers/{image}/Dockerfile"
    try:
        text = (root / dockerfile).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{root / dockerfile} is missing: is this a whole checkout?") from error
    paths = sorted({dockerfile, *_files(root, dockerfile, text)})
    return Sources(
        image=image,
        device=device,
        files={path: (root / path).read_bytes() for path in paths},
        executable=frozenset(path for path in paths if _is_executable(root / path)),
        revision=revision_of(root),
    )


def revision_of(root: Path) -> str:
    """Return the commit that is checked out, `-dirty` after it when files differ from it.

    Without git, or outside a repository, it is `unknown`.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    except OSError:
        return _UNKNOWN
    return done.stdout.strip() or _UNKNOWN


def copied_paths(dockerfile: str) -> list[str]:
    """Return the paths of the build context that a Dockerfile's text copies, in its order."""
    paths: list[str] = []
    for words in _COPY.findall(_CONTINUED.sub(" ", dockerfile)):
        arguments = words.split()
        if any(argument.startswith("--from=") for argument in arguments):
            continue
        paths += [argument for argument in arguments if not argument.startswith("--")][:-1]
    return paths


def _files(root: Path, dockerfile: str, text: str) -> Iterator[str]:
    for path in copied_paths(text):
        found = root / path
        if not found.exists():
            raise UserError(f"{dockerfile} copies {path}, which is missing in {root}.")
        files = [found] if found.is_file() else found.rglob("*")
        for file in files:
            if file.is_file() and not _is_byte_code(file):
                yield file.relative_to(root).as_posix()


def _is_byte_code(file: Path) -> bool:
    return any(part.endswith(_BYTE_CODE) for part in file.parts)


def _is_executable(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IXUSR)
