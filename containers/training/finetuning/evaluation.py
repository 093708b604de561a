"""Reading the slices with champion and candidate, a bounded number of lines at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetuning.album import Album
from finetuning.comparison import Comparison, Example
from finetuning.labels import Label
from finetuning.metrics import Tally
from finetuning.pictures import PictureReader
from finetuning.slices import Slice
from recognition.dictionary import Reading
from recognition.images import Pixels
from recognition.preprocessing import LineShape, batches_of_equal_width
from recognition.recognizer import Recognizer

_DECODED_AT_ONCE = 64
# Only lines of one width share a batch, so more lines at a time make fuller batches.
_WINDOW_LINES = 256
_WINDOW_BYTES = 32 * 1024 * 1024
# After so many lines the other model takes its turn: whatever else the machine does hits both.
_TURN_LINES = 32

Line = tuple[int, Pixels | str]
"""A label's index, and its picture or the reason why there is none."""


@dataclass
class Evaluator:
    """Evaluates both models on the same lines; `seconds` tells how long each has read so far.

    Without a champion the candidate is measured alone.
    """

    champion: Recognizer | None
    candidate: Recognizer
    images: Path
    album: Album
    announce: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=lambda: {"champion": 0.0, "candidate": 0.0})
    _read_so_far: int = 0

    def evaluate(self, part: Slice, labels: Sequence[Label]) -> dict[str, Any]:
        """Return the slice's entry of evaluation.json; unreadable lines are named and left out."""
        pictures = PictureReader(self.images, self._shape, _DECODED_AT_ONCE)
        added = self._added_characters()
        champion = Tally(added) if self.champion else None
        comparison = Comparison(champion, Tally(added))
        unreadable: list[int] = []
        seen = 0
        for window in _windows(pictures.read(labels)):
            unreadable += [index for index, line in window if isinstance(line, str)]
            lines = [(index, line) for index, line in window if not isinstance(line, str)]
            for turn in self._turns([line for _, line in lines]):
                chosen = [lines[place] for place in turn]
                old, new = self._read([line for _, line in chosen], champion, comparison.candidate)
                for (index, line), before, after in zip(chosen, old, new, strict=True):
                    comparison.add(labels[index], line, before, after)
            seen += len(window)
            self.announce(f"slice={part.name} lines={seen}/{len(labels)}")
        return {
            "name": part.name,
            "kind": part.kind,
            "available": max(part.available, len(labels)),
            "unreadable": [labels[index].name for index in sorted(unreadable)],
            **comparison.as_json(),
            "examples": self._shown(comparison),
        }

    def _added_characters(self) -> frozenset[str]:
        if self.champion is None:
            return frozenset()
        known = self.champion.dictionary.characters
        return frozenset(self.candidate.dictionary.characters).difference(known)

    @property
    def _shape(self) -> LineShape:
        shapes = [self.candidate.shape, *([self.champion.shape] if self.champion else [])]
        # What one model needs is not made up from the little that the other needs.
        return max(shapes, key=lambda shape: shape.height)

    def _turns(self, lines: Sequence[Pixels]) -> Iterator[list[int]]:
        widths = [self._shape.padded_width(*line.shape[:2]) for line in lines]
        return batches_of_equal_width(widths, _TURN_LINES, self._shape.width)

    def _read(
        self, lines: Sequence[Pixels], champion: Tally | None, candidate: Tally
    ) -> tuple[Sequence[Reading | None], Sequence[Reading]]:
        # Who reads second finds the lines in the processor's cache; so they take turns.
        self._read_so_far += 1
        if self._read_so_far % 2:
            return self._champion(lines, champion), self._candidate(lines, candidate)
        new = self._candidate(lines, candidate)
        return self._champion(lines, champion), new

    def _champion(self, lines: Sequence[Pixels], tally: Tally | None) -> Sequence[Reading | None]:
        if self.champion is None or tally is None:
            return [None] * len(lines)
        return self._timed("champion", self.champion, lines, tally)

    def _candidate(self, lines: Sequence[Pixels], tally: Tally) -> Sequence[Reading]:
        return self._timed("candidate", self.candidate, lines, tally)

    def _timed(
        self, role: str, model: Recognizer, lines: Sequence[Pixels], tally: Tally
    ) -> Sequence[Reading]:
        started = time.perf_counter()
        found = model.read(lines)
        seconds = time.perf_counter() - started
        self.seconds[role] += seconds
        tally.seconds += seconds
        return found

    def _shown(self, comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
        written: dict[str, str] = {}

        def shown(examples: Iterable[Example]) -> Iterator[dict[str, Any]]:
            for each in examples:
                # One line may be both among the worst and improved.
                name = each.label.name
                if name not in written:
                    written[name] = self.album.add(each.picture)
                yield each.as_json(written[name])

        return {
            "worst": list(shown(comparison.worst)),
            "most_improved": list(shown(comparison.most_improved)),
        }


def _windows(lines: Iterable[Line]) -> Iterator[list[Line]]:
    window: list[Line] = []
    size = 0
    for index, line in lines:
        window.append((index, line))
        size += 0 if isinstance(line, str) else line.nbytes
        if len(window) >= _WINDOW_LINES or size >= _WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window
