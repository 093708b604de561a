"""Where the images that a label file names may lie in their dataset. Pure."""

import posixpath
import re
import unicodedata

_DRIVE = re.compile(r"[A-Za-z]:")


class OutsideDatasetError(Exception):
    """A label names an image outside its own dataset."""


def candidates(path: str, label_file: str) -> tuple[str, ...]:
    """List the places where an image may lie, likeliest first, all below the dataset's root.

    A path is relative to the root, to the label file's folder, or to a folder above that: an
    archive often has one more folder on top than its labels know of. PPOCRLabel names pages with
    the folder that it was opened on, whatever that is called here.

    Raises OutsideDatasetError when the path leads out of the dataset from everywhere.
    """
    path = path.replace("\\", "/")
    if path.startswith("/") or "\0" in path or "://" in path or _DRIVE.match(path):
        raise OutsideDatasetError(path)
    if posixpath.normpath(path) in {".", ".."}:
        raise OutsideDatasetError(path)
    folders = _folders(label_file)
    tried = [posixpath.join(folder, path) for folder in ("", *folders)]
    below = path.partition("/")[2]
    if below and posixpath.basename(label_file).lower() == "label.txt":
        tried.append(posixpath.join(folders[0], below))
    inside = dict.fromkeys(filter(_is_inside, map(posixpath.normpath, tried)))
    if not inside:
        raise OutsideDatasetError(path)
    return tuple(inside)


def composed(path: str) -> str:
    """Write a path as most do: macOS writes decomposed file names, label files mostly do not."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _folders(label_file: str) -> list[str]:
    """Name the label file's folder and those above it, up to the root."""
    folders = [posixpath.dirname(label_file)]
    # A key may hold a slash too many; the folder above "/" is "/".
    while folders[-1].strip("/"):
        folders.append(posixpath.dirname(folders[-1]))
    return folders


def _is_inside(normal: str) -> bool:
    return normal not in {".", ".."} and not normal.startswith(("../", "/"))
