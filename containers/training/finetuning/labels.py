"""Label files: `<bucket key><TAB><text>` per line, `<TAB><corners>` for a part of a page image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from recognition.cropping import BoxError, Points


class LabelError(ValueError):
    """A label file cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Label:
    """What one line says. The key names the image; the text is never empty.

    `box` are the line's corners as written, `[[x,y],...]`; it is empty where the image is the line.
    It is kept as written because a label file may hold a million of them.
    """

    key: str
    text: str
    box: str = ""

    @property
    def name(self) -> str:
        """Which line is meant, for people: several lines may be on one image."""
        return f"{self.key} {self.box}" if self.box else self.key

    def points(self) -> Points:
        """Return the corners; what they enclose is for cropping to judge. Raises BoxError."""
        try:
            points: Points = json.loads(self.box)
        except (ValueError, RecursionError) as error:
            raise BoxError("The corners are no JSON.") from error
        return points


def read_labels(path: Path) -> list[Label]:
    """Read a label file; lines without a tab, a key or a text are left out.

    Raises LabelError when the file cannot be read or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            return [label for line in lines if (label := _parse(line.rstrip("\r\n")))]
    except OSError as error:
        raise LabelError(f"The label file {path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"The label file {path.name} is not UTF-8.") from error


def _parse(line: str) -> Label | None:
    key, _, rest = line.partition("\t")
    text, _, box = rest.partition("\t")
    return Label(key, text, box) if key and text.strip() else None


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
