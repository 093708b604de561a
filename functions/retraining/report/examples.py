"""Which lines a report shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retraining.report.differences import Piece, compare, distance
from retraining.report.inputs import Evaluation, Example

MOST_LINES = 24


@dataclass(frozen=True)
class ShownLine:
    """One line with both readings; ``picture`` is a data: URI, "" when there is none."""

    slice_name: str
    slice_kind: str
    truth: str
    champion: tuple[Piece, ...] | None
    candidate: tuple[Piece, ...]
    champion_right: bool
    candidate_right: bool
    confidence: float | None
    picture: str


@dataclass(frozen=True)
class Chosen:
    """One example and the slice it is of."""

    slice_name: str
    slice_kind: str
    example: Example

    @property
    def error(self) -> float:
        """Tell how far the candidate is from the truth, 0..1."""
        return distance(self.example.truth, self.example.candidate)

    @property
    def gain(self) -> float:
        """Tell how much nearer to the truth the candidate is than the champion."""
        return distance(self.example.truth, self.example.champion) - self.error


def worst(evaluation: Evaluation) -> list[Chosen]:
    """Choose the lines that the candidate reads worst, over all slices."""
    found = [each for each in _all(evaluation, "worst") if not _right(each.example)]
    return sorted(found, key=lambda each: -each.error)[:MOST_LINES]


def most_improved(evaluation: Evaluation) -> list[Chosen]:
    """Choose the lines on which the candidate gained most, over all slices."""
    found = [
        each
        for each in _all(evaluation, "most_improved")
        if each.example.champion is not None and each.gain > 0
    ]
    return sorted(found, key=lambda each: -each.gain)[:MOST_LINES]


def shown(chosen: Chosen, pictures: Mapping[str, str]) -> ShownLine:
    """Compare the readings of a line with what it says."""
    example = chosen.example
    champion = example.champion
    return ShownLine(
        slice_name=chosen.slice_name,
        slice_kind=chosen.slice_kind,
        truth=example.truth,
        champion=None if champion is None else compare(example.truth, champion),
        candidate=compare(example.truth, example.candidate),
        champion_right=champion == example.truth,
        candidate_right=_right(example),
        confidence=example.candidate_confidence,
        picture=pictures.get(example.picture, ""),
    )


def _all(evaluation: Evaluation, kind: str) -> Iterator[Chosen]:
    for part in evaluation.slices:
        for example in getattr(part.examples, kind, ()):
            yield Chosen(part.name, part.kind, example)


def _right(example: Example) -> bool:
    return example.candidate == example.truth
