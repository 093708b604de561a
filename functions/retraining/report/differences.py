"""Where a reading differs from what the line says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from retraining.report.plain_text import clusters, visible

_LONGEST = 200
_SPACE = "␣"


class Kind(StrEnum):
    """What became of a piece of a line."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSED = "missed"


@dataclass(frozen=True)
class Piece:
    """Some characters of a reading; missed ones are the truth's, which the model did not read."""

    kind: Kind
    text: str


def compare(truth: str, reading: str) -> tuple[Piece, ...]:
    """Mark what was read otherwise than it is written; long lines are cut."""
    expected, found = (clusters(each[:_LONGEST]) for each in (truth, reading))
    pieces: list[Piece] = []
    matcher = SequenceMatcher(None, expected, found, autojunk=False)
    for operation, first, last, begin, end in matcher.get_opcodes():
        if operation == "equal":
            pieces.append(Piece(Kind.RIGHT, visible("".join(found[begin:end]))))
        elif begin < end:
            pieces.append(Piece(Kind.WRONG, _marked(found[begin:end])))
        else:
            pieces.append(Piece(Kind.MISSED, _marked(expected[first:last])))
    if len(reading) > _LONGEST:
        pieces.append(Piece(Kind.RIGHT, "…"))
    return tuple(pieces)


def distance(truth: str, reading: str | None) -> float:
    """Tell how far a reading is from the truth: 0 for the same text, 1 for nothing in common."""
    if reading is None:
        return 1.0
    expected, found = (clusters(each[:_LONGEST]) for each in (truth, reading))
    return 1.0 - SequenceMatcher(None, expected, found, autojunk=False).ratio()


def _marked(parts: list[str]) -> str:
    # A space that is wrong or missing would be a mark around nothing.
    return visible("".join(_SPACE if each == " " else each for each in parts))
