"""How two models compare line by line, and which lines are worth looking at."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from finetuning.labels import Label
from finetuning.metrics import Score, Tally, certainty
from recognition.dictionary import Reading
from recognition.images import Pixels

_EXAMPLES = 24
_NEW_CHARACTERS = 200


@dataclass(frozen=True)
class Example:
    """One line, its picture as the models saw it, and what they read in it."""

    label: Label
    picture: Pixels
    champion: str | None
    candidate: Reading

    def as_json(self, picture: str) -> dict[str, Any]:
        """Give the shape of evaluation.json; `picture` is the file that shows the line."""
        return {
            "image": self.label.key,
            "box": self.label.points() if self.label.box else None,
            "truth": self.label.text.strip(),
            "champion": self.champion,
            "candidate": self.candidate.text,
            "candidate_confidence": certainty(self.candidate.confidence),
            "picture": picture,
        }


@dataclass
class _First:
    """The first few examples in an order that is told with each of them."""

    _kept: list[tuple[tuple[float, str], int, Example]] = field(default_factory=list)
    _seen: int = 0

    def offer(self, rank: float, example: Example) -> None:
        key = rank, example.label.name
        self._seen += 1
        if len(self._kept) < _EXAMPLES or key < self._kept[-1][0]:
            # The number keeps examples themselves from being compared.
            insort(self._kept, (key, self._seen, example))
            del self._kept[_EXAMPLES:]

    def __iter__(self) -> Iterator[Example]:
        return (example for _, _, example in self._kept)


@dataclass
class Comparison:
    """Both models on the same lines; `champion` is None where there is none."""

    champion: Tally | None
    candidate: Tally
    worst: _First = field(default_factory=_First)
    most_improved: _First = field(default_factory=_First)
    _outcomes: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    _occurrences: Counter[str] = field(default_factory=Counter)

    def add(
        self, label: Label, picture: Pixels, champion: Reading | None, candidate: Reading
    ) -> None:
        """Count one line; the picture is kept only as long as the line is an example."""
        truth = label.text.strip()
        new = self.candidate.add(truth, candidate)
        example = Example(label, picture, champion.text if champion else None, candidate)
        if not new.right:
            self.worst.offer(new.similarity, example)
        self._occurrences.update(each for each in truth if each in self.candidate.tracked)
        if champion is not None and self.champion is not None:
            self._compare(self.champion.add(truth, champion), new, example)

    def _compare(self, old: Score, new: Score, example: Example) -> None:
        self._outcomes[old.right, new.right] += 1
        if new.similarity > old.similarity:
            self.most_improved.offer(old.similarity - new.similarity, example)

    def as_json(self) -> dict[str, Any]:
        """Give what evaluation.json tells in numbers."""
        champion, candidate = self.champion, self.candidate
        return {
            "lines": candidate.lines,
            "champion": asdict(champion.metrics()) if champion else None,
            "candidate": asdict(candidate.metrics()),
            "paired": self._paired() if champion else None,
            "confusions": {
                "champion": [asdict(each) for each in champion.confusions()] if champion else [],
                "candidate": [asdict(each) for each in candidate.confusions()],
            },
            "new_characters": self._new_characters(),
        }

    def _paired(self) -> dict[str, int]:
        return {
            "both_right": self._outcomes[True, True],
            "only_champion_right": self._outcomes[True, False],
            "only_candidate_right": self._outcomes[False, True],
            "both_wrong": self._outcomes[False, False],
        }

    def _new_characters(self) -> list[dict[str, str | int]]:
        champion = self.champion.recalled if self.champion else Counter[str]()
        often = sorted(self._occurrences.items(), key=lambda item: (-item[1], item[0]))
        return [
            {
                "character": character,
                "occurrences": count,
                "candidate_recalled": self.candidate.recalled[character],
                "champion_recalled": champion[character],
            }
            for character, count in often[:_NEW_CHARACTERS]
        ]
