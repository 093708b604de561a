"""Archives of base models as others pack them: tar or zip, with or without a folder around all."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from recognition.artefact import ArtefactError, unpack

_MAX_FILES = 100
_MAX_UNPACKED_BYTES = 4 * 1024**3
_CHUNK = 1024 * 1024
_LEFT_BY_SYSTEMS = frozenset({"__MACOSX", ".DS_Store"})
# The upper half of a zip member's attributes is the Unix mode; these bits tell a symbolic link.
_TYPE_MASK, _LINK = 0o170000, 0o120000


def unpack_model(archive: Path, target: Path) -> Path:
    """Unpack an archive into the directory and return the folder that holds the model's files.

    Raises ArtefactError when it is neither tar nor zip, leads out of the directory, or holds more
    than a model can be.
    """
    if zipfile.is_zipfile(archive):
        _unzip(archive, target)
    else:
        unpack(archive, target)
    return innermost(target)


def innermost(directory: Path) -> Path:
    """Follow folders that hold one folder and nothing else: many archives have one around all."""
    while True:
        entries = [
            each
            for each in directory.iterdir()
            if each.name not in _LEFT_BY_SYSTEMS and not each.name.startswith("._")
        ]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
            return directory
        directory = entries[0]


def _unzip(archive: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [each for each in opened.infolist() if not each.is_dir()]
            if len(members) > _MAX_FILES:
                raise ArtefactError("The model archive holds more files than a model has.")
            left = _MAX_UNPACKED_BYTES
            for member in members:
                left -= _write(opened, member, target / _safe_name(member), left)
    # NotImplementedError: a compression that Python does not know; RuntimeError: a password.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ArtefactError(f"{archive.name} cannot be unpacked as a zip: {error}") from error


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Write one member; sizes are counted, because what a zip says of them may be a lie."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(member) as source, path.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > most:
                raise ArtefactError("The model archive holds more than a model can be.")
            sink.write(chunk)
    return written


def _safe_name(member: zipfile.ZipInfo) -> PurePosixPath:
    if (member.external_attr >> 16) & _TYPE_MASK == _LINK:
        raise ArtefactError(f"The model archive's {member.filename!r} is a link; refused.")
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
        raise ArtefactError(f"The model archive's {member.filename!r} leaves the directory.")
    return path
