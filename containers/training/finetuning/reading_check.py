"""Does a model read at all? Asked before anybody registers it.

A dictionary in another order, weights of another network or a wrong picture size leave a model that
loads and answers, and reads nothing. Whether it reads well enough is for an evaluation to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from finetuning.labels import image_path, read_labels
from finetuning.rendering import GenericLines, RenderedLine
from recognition.artefact import ArtefactError
from recognition.images import Pixels
from recognition.recognizer import Recognizer

# PP-OCRv6 small reads 51 of 60 rendered lines, the tiny test model 24.
LEAST_SHARE = 0.1
_RENDERED_LINES = 60
_MOST_GIVEN_LINES = 500
_SEED = 20_010
_SHOWN = 3


@dataclass(frozen=True)
class ReadingCheck:
    """How many lines were read exactly; ``first`` shows some as [text, what was read]."""

    kind: str
    lines: int
    right: int
    first: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        """Tell people."""
        if not self.lines:
            return "No packaged font draws its characters, so that it was not asked to read."
        return f"It reads {self.right} of {self.lines} {self.kind} lines exactly."

    def as_json(self) -> dict[str, object]:
        """Return the check for a file."""
        return {**asdict(self), "sentence": self.sentence}


def check_reading(model_dir: Path, lines: Path | None = None) -> ReadingCheck:
    """Let a complete artefact read rendered lines, or labelled ones of a dataset folder.

    Raises ArtefactError when it reads hardly any, or when the folder has no line to read,
    LabelError when a label file cannot be read.
    """
    recognizer = Recognizer.load(model_dir)
    if lines is None:
        kind, asked = "rendered", list(_rendered(recognizer))
    else:
        kind, asked = "labelled", list(_labelled(lines))
        if not asked:
            raise ArtefactError(f"{lines} has no labelled line that can be read.")
    check = _read(recognizer, kind, asked)
    if check.right < LEAST_SHARE * check.lines:
        shown = "; ".join(f"{read!r} instead of {text!r}" for text, read in check.first)
        raise ArtefactError(
            f"The model does not read: {check.right} of {check.lines} {kind} lines are right "
            f"({shown}). Do its dictionary and configuration belong to these weights?"
        )
    return check


def _read(recognizer: Recognizer, kind: str, asked: Sequence[RenderedLine]) -> ReadingCheck:
    readings = recognizer.read([each.pixels for each in asked]) if asked else []
    pairs = [(each.text, reading.text) for each, reading in zip(asked, readings, strict=True)]
    wrong = [pair for pair in pairs if pair[0] != pair[1]]
    return ReadingCheck(kind, len(pairs), len(pairs) - len(wrong), tuple(wrong[:_SHOWN]))


def _rendered(recognizer: Recognizer) -> Iterator[RenderedLine]:
    return GenericLines(recognizer.dictionary, _SEED).lines(_RENDERED_LINES)


def _picture(key: str, *folders: Path) -> Pixels | None:
    """Read an image, whose name is relative to the dataset or to its label file."""
    for folder in folders:
        path = image_path(folder, key)
        if path.is_file():
            picture: Pixels | None = cv2.imread(str(path))
            return picture
    return None


def _labelled(folder: Path) -> Iterator[RenderedLine]:
    """Yield lines of crops; boxes on pages are left to an evaluation."""
    given = 0
    for file in sorted((folder / "labels").glob("*.txt")):
        for label in read_labels(file):
            pixels = None if label.box else _picture(label.key, folder, file.parent)
            if pixels is None:
                continue
            yield RenderedLine(label.text, pixels)
            given += 1
            if given == _MOST_GIVEN_LINES:
                return
