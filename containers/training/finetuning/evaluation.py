"""Reading the slices with champion and candidate, a bounded number of lines at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from finetuning.labels import Label
from finetuning.metrics import Line, accuracy, examples, paired
from finetuning.pictures import PictureReader
from finetuning.slices import Slice
from recognition.images import Pixels
from recognition.recognizer import Reading, Recognizer

_READ_AT_ONCE = 64


@dataclass
class _Tally:
    """What one model read so far, by the lines' indices, and how long it took."""

    readings: dict[int, Reading] = field(default_factory=dict)
    seconds: float = 0.0

    def read(self, model: Recognizer, pictures: Mapping[int, Pixels]) -> None:
        started = time.perf_counter()
        found = model.read(list(pictures.values()))
        self.seconds += time.perf_counter() - started
        self.readings.update(zip(pictures, found, strict=True))

    def in_order(self) -> list[Reading]:
        return [self.readings[index] for index in sorted(self.readings)]

    def summary(self, truths: Sequence[str]) -> dict[str, float]:
        readings = self.in_order()
        lines = max(1, len(readings))
        confidence = sum(reading.confidence for reading in readings) / lines
        return {
            **asdict(accuracy(truths, [reading.text for reading in readings])),
            "mean_confidence": confidence,
            "milliseconds_per_line": 1000 * self.seconds / lines,
        }


@dataclass(frozen=True)
class Evaluator:
    """Evaluates both models on the same lines, in the same order."""

    champion: Recognizer
    candidate: Recognizer
    images: Path
    announce: Callable[[str], None]

    def evaluate(self, part: Slice, labels: Sequence[Label]) -> dict[str, Any]:
        """Return the slice's entry of evaluation.json; unreadable lines are named and left out."""
        champion, candidate = _Tally(), _Tally()
        seen = 0
        for chunk in self._chunks(labels):
            seen += len(chunk)
            pictures = {index: line for index, line in chunk if not isinstance(line, str)}
            champion.read(self.champion, pictures)
            candidate.read(self.candidate, pictures)
            self.announce(f"slice={part.name} lines={seen}/{len(labels)}")
        read = [label for index, label in enumerate(labels) if index in champion.readings]
        truths = [label.text.strip() for label in read]
        lines = [
            Line(label.key, truth, old.text, new.text)
            for label, truth, old, new in zip(
                read, truths, champion.in_order(), candidate.in_order(), strict=True
            )
        ]
        return {
            "name": part.name,
            "kind": part.kind,
            "lines": len(lines),
            "unreadable": [
                label.name for index, label in enumerate(labels) if index not in champion.readings
            ],
            "champion": champion.summary(truths),
            "candidate": candidate.summary(truths),
            "paired": asdict(paired(lines)),
            "examples": asdict(examples(lines)),
        }

    def _chunks(self, labels: Sequence[Label]) -> Iterator[list[tuple[int, Pixels | str]]]:
        lines = PictureReader(self.images, self.champion.shape, _READ_AT_ONCE).read(labels)
        while chunk := list(islice(lines, _READ_AT_ONCE)):
            yield chunk
