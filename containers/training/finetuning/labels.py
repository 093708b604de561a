"""Label files: `<bucket key><TAB><text>` per line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class LabelError(ValueError):
    """A label file cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Label:
    """What one image says. The key names the image; the text is never empty."""

    key: str
    text: str


def read_labels(path: Path) -> list[Label]:
    """Read a label file; lines without a tab, a key or a text are left out.

    Raises LabelError when the file cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LabelError(f"The label file {path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"The label file {path.name} is not UTF-8.") from error
    labels = []
    for line in content.split("\n"):
        key, tab, text = line.rstrip("\r").partition("\t")
        if tab and key and text.strip():
            labels.append(Label(key, text))
    return labels


def read_optional_labels(path: Path) -> list[Label]:
    """Read a label file that may be absent."""
    return read_labels(path) if path.is_file() else []


def image_path(directory: Path, key: str) -> Path:
    """Return where the image of that bucket key lies.

    Raises LabelError when the key leads out of the directory.
    """
    parts = key.split("/")
    if key.startswith("/") or ".." in parts or "\0" in key:
        raise LabelError(f"The image name {key!r} leads out of the images' directory.")
    return directory.joinpath(*parts)
