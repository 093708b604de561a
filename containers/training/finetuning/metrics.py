"""How well a model reads a set of lines, and how two models compare line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein  # type: ignore[import-not-found]

_EXAMPLES = 24


@dataclass(frozen=True)
class Line:
    """One line of a slice and what the two models read in it."""

    image: str
    truth: str
    champion: str
    candidate: str


@dataclass(frozen=True)
class Accuracy:
    """Fractions 0..1; normalized_edit_distance is PaddleOCR's similarity, 1 for perfect."""

    exact_match: float
    character_error_rate: float
    normalized_edit_distance: float


@dataclass(frozen=True)
class Paired:
    """How often each model was right where the other was or was not."""

    both_right: int
    only_champion_right: int
    only_candidate_right: int
    both_wrong: int


@dataclass(frozen=True)
class Examples:
    """Lines worth looking at: where the candidate is worst, and where it gained most."""

    worst: tuple[Line, ...]
    most_improved: tuple[Line, ...]


def accuracy(truths: Sequence[str], readings: Sequence[str]) -> Accuracy:
    """Compare readings with what the lines say; an empty slice counts as all wrong."""
    if not truths:
        return Accuracy(0.0, 1.0, 0.0)
    pairs = list(zip(truths, readings, strict=True))
    characters = sum(len(truth) for truth in truths)
    edits = sum(Levenshtein.distance(truth, reading) for truth, reading in pairs)
    similarity = sum(Levenshtein.normalized_similarity(truth, reading) for truth, reading in pairs)
    return Accuracy(
        exact_match=sum(truth == reading for truth, reading in pairs) / len(pairs),
        character_error_rate=edits / max(1, characters),
        normalized_edit_distance=similarity / len(pairs),
    )


def paired(lines: Sequence[Line]) -> Paired:
    """Count the four outcomes."""
    outcomes = [(line.champion == line.truth, line.candidate == line.truth) for line in lines]
    return Paired(
        both_right=outcomes.count((True, True)),
        only_champion_right=outcomes.count((True, False)),
        only_candidate_right=outcomes.count((False, True)),
        both_wrong=outcomes.count((False, False)),
    )


def examples(lines: Sequence[Line]) -> Examples:
    """Choose the lines to show, at most 24 of each kind, the most telling first."""
    wrong = [line for line in lines if line.candidate != line.truth]
    better = [line for line in lines if _gain(line) > 0]
    return Examples(
        worst=tuple(sorted(wrong, key=lambda line: (_similarity(line), line.image))[:_EXAMPLES]),
        most_improved=tuple(
            sorted(better, key=lambda line: (-_gain(line), line.image))[:_EXAMPLES]
        ),
    )


def _similarity(line: Line) -> float:
    return float(Levenshtein.normalized_similarity(line.truth, line.candidate))


def _gain(line: Line) -> float:
    return _similarity(line) - float(Levenshtein.normalized_similarity(line.truth, line.champion))
