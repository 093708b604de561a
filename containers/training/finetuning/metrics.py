"""How well a model reads a set of lines: summed up line by line, in memory that stays the same.

Exact match and edit distance are PaddleOCR's (ppocr.metrics.rec_metric.RecMetric with
ignore_space=False), without the 0.00001 that it adds to the number of lines.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein  # type: ignore[import-not-found]

from recognition.dictionary import Reading

_BINS = 10
_CONFUSIONS = 20
# A hostile label file could bring any two characters together.
_MOST_PAIRS = 50_000

Edit = tuple[str, str]
"""The character that is there and the one that was read; "" for none."""


@dataclass(frozen=True)
class Metrics:
    """Fractions 0..1, but the character error rate may exceed 1 and a line's time is in ms.

    `normalized_edit_distance` is PaddleOCR's similarity, 1 for perfect.
    """

    exact_match: float
    character_error_rate: float
    normalized_edit_distance: float
    mean_confidence: float
    expected_calibration_error: float
    milliseconds_per_line: float


@dataclass(frozen=True)
class Confusion:
    """How often a character was read as another; "" for one that was missed or made up."""

    truth: str
    read: str
    count: int


@dataclass(frozen=True)
class Score:
    """How one line was read: which characters wrongly, and 1 - edits / longer length."""

    edits: tuple[Edit, ...]
    similarity: float

    @property
    def right(self) -> bool:
        """Whether every character was read, and no other."""
        return not self.edits


def certainty(confidence: float) -> float:
    """Return a confidence as 0..1: a network that was ruined gives no numbers, sure of nothing."""
    return min(1.0, max(0.0, confidence)) if math.isfinite(confidence) else 0.0


def score(truth: str, text: str) -> Score:
    """Compare what was read with what is there, by the fewest edits."""
    if truth == text:
        return Score((), 1.0)
    edits = tuple(_edits(truth, text))
    return Score(edits, 1.0 - len(edits) / max(len(truth), len(text)))


def _edits(truth: str, text: str) -> Iterator[Edit]:
    for kind, there, read in Levenshtein.editops(truth, text):
        yield ("" if kind == "insert" else truth[there], "" if kind == "delete" else text[read])


@dataclass
class _Bin:
    lines: int = 0
    right: int = 0
    confidence: float = 0.0

    @property
    def gap(self) -> float:
        """By how much confidence and accuracy differ, times the lines."""
        return abs(self.right - self.confidence)


@dataclass
class Tally:
    """What one model read so far. `tracked` are the characters whose recall is counted."""

    tracked: frozenset[str] = frozenset()
    lines: int = 0
    right: int = 0
    edits: int = 0
    characters: int = 0
    similarity: float = 0.0
    seconds: float = 0.0
    recalled: Counter[str] = field(default_factory=Counter)
    _pairs: Counter[Edit] = field(default_factory=Counter)
    _bins: list[_Bin] = field(default_factory=lambda: [_Bin() for _ in range(_BINS)])

    def add(self, truth: str, reading: Reading) -> Score:
        """Count one line and return how it was read."""
        found = score(truth, reading.text)
        self.lines += 1
        self.right += found.right
        self.edits += len(found.edits)
        self.characters += len(truth)
        self.similarity += found.similarity
        self._count_confidence(reading.confidence, right=found.right)
        self._count_edits(found.edits)
        if not self.tracked.isdisjoint(truth):
            missed = Counter(there for there, _ in found.edits)
            there = Counter(each for each in truth if each in self.tracked)
            self.recalled.update(there - missed)
        return found

    def _count_confidence(self, confidence: float, *, right: bool) -> None:
        sure = certainty(confidence)
        place = self._bins[min(_BINS - 1, int(sure * _BINS))]
        place.lines += 1
        place.right += right
        place.confidence += sure

    def _count_edits(self, edits: Sequence[Edit]) -> None:
        for each in edits:
            if each in self._pairs or len(self._pairs) < _MOST_PAIRS:
                self._pairs[each] += 1

    def metrics(self) -> Metrics:
        """Sum up; an empty set counts as all wrong."""
        lines = max(1, self.lines)
        return Metrics(
            exact_match=self.right / lines,
            character_error_rate=self.edits / max(1, self.characters) if self.lines else 1.0,
            normalized_edit_distance=self.similarity / lines,
            mean_confidence=sum(each.confidence for each in self._bins) / lines,
            expected_calibration_error=sum(each.gap for each in self._bins) / lines,
            milliseconds_per_line=1000 * self.seconds / lines,
        )

    def confusions(self) -> list[Confusion]:
        """Return what was confused most often, the most frequent first."""
        often = sorted(self._pairs.items(), key=lambda item: (-item[1], item[0]))
        return [Confusion(there, read, count) for (there, read), count in often[:_CONFUSIONS]]
