"""A folder or an archive of labelled images on this machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ocr_retrain.errors import UserError
from retraining.s3_layout import ARCHIVE_SUFFIXES

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LABEL_SUFFIX = ".txt"
_SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})


@dataclass(frozen=True)
class FolderFile:
    """One file: where it is, its path relative to the folder (with ``/``), its size in bytes."""

    path: Path
    relative: str
    size: int


@dataclass(frozen=True)
class DatasetFolder:
    """What a folder holds, sorted by path: label files (``*.txt``), archives, all else."""

    root: Path
    images: tuple[FolderFile, ...]
    labels: tuple[FolderFile, ...]
    archives: tuple[FolderFile, ...] = ()

    @property
    def announcing(self) -> tuple[FolderFile, ...]:
        """What starts a run as it arrives, the last one last."""
        return (*self.archives, *self.labels)


def scan(root: Path) -> DatasetFolder:
    """Return the files of ``root``, without hidden and system files; of an archive itself.

    Raises UserError when it is neither a folder nor an archive, or holds nothing to start from.
    """
    if root.is_file() and _is_archive(root.name):
        return DatasetFolder(root, (), (), (FolderFile(root, root.name, root.stat().st_size),))
    if not root.is_dir():
        kinds = ", ".join(ARCHIVE_SUFFIXES)
        raise UserError(f"{root} is neither a folder nor an archive ({kinds}).")
    files = list_files(root)
    if not files:
        raise UserError(f"{root} is empty: put images and a labels/train.txt into it.")
    labels = [file for file in files if file.relative.lower().endswith(LABEL_SUFFIX)]
    archives = [file for file in files if _is_archive(file.relative)]
    announcing = {*labels, *archives}
    images = [file for file in files if file not in announcing]
    if not labels and not archives:
        raise UserError(
            f"{root} has no label file: add labels/train.txt with one `image path<TAB>text` "
            "line per image."
        )
    if not archives and not any(label.size for label in labels):
        names = ", ".join(label.relative for label in labels)
        raise UserError(f"{root} has only empty label files ({names}).")
    # The train labels complete a dataset, so they follow the other label files.
    labels.sort(key=lambda file: (Path(file.relative).name.startswith("train"), file.relative))
    return DatasetFolder(root, tuple(images), tuple(labels), tuple(archives))


def dataset_name(root: Path, chosen: str | None) -> str:
    """Return the dataset's name: ``chosen`` or the folder's; raises UserError if not allowed.

    An archive gives its name without what tells its kind.
    """
    name = chosen if chosen is not None else root.resolve().name
    if chosen is None and root.is_file():
        suffixes = (each for each in ARCHIVE_SUFFIXES if name.lower().endswith(each))
        name = name[: -max(map(len, suffixes), default=0) or None]
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{name!r} cannot name a dataset: use letters, digits, dots, dashes and underscores "
            "(at most 63, a letter or digit first), for example with --name."
        )
    return name


def list_files(root: Path) -> list[FolderFile]:
    """Return the files below a folder, sorted by path, without hidden and system files."""
    found: list[FolderFile] = []
    for directory, subdirectories, names in os.walk(root):
        subdirectories[:] = [name for name in subdirectories if not _is_system(name)]
        for name in names:
            path = Path(directory, name)
            if not _is_system(name) and path.is_file():
                relative = path.relative_to(root).as_posix()
                found.append(FolderFile(path, relative, path.stat().st_size))
    return sorted(found, key=lambda file: file.relative)


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def _is_system(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_FILES
