"""Reading the slices with champion and candidate, a bounded number of lines at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finetuning.labels import Label, LabelError, image_path
from finetuning.metrics import Line, accuracy, examples, paired
from finetuning.slices import Slice
from recognition.images import ImageError, Pixels, decode_image
from recognition.preprocessing import scale_line
from recognition.recognizer import Reading, Recognizer

_READ_AT_ONCE = 64


@dataclass
class _Tally:
    """What one model read so far, and how long it took."""

    readings: list[Reading] = field(default_factory=list)
    seconds: float = 0.0

    def read(self, model: Recognizer, pictures: Sequence[Pixels]) -> None:
        started = time.perf_counter()
        self.readings += model.read(pictures)
        self.seconds += time.perf_counter() - started

    def summary(self, truths: Sequence[str]) -> dict[str, float]:
        lines = max(1, len(self.readings))
        confidence = sum(reading.confidence for reading in self.readings) / lines
        return {
            **asdict(accuracy(truths, [reading.text for reading in self.readings])),
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
        """Return the slice's entry of evaluation.json; unreadable images are named and left out."""
        champion, candidate = _Tally(), _Tally()
        read: list[Label] = []
        unreadable: list[str] = []
        seen = 0
        for chunk in self._chunks(labels):
            seen += len(chunk)
            pictures = [picture for _, picture in chunk if picture is not None]
            unreadable += [label.key for label, picture in chunk if picture is None]
            read += [label for label, picture in chunk if picture is not None]
            champion.read(self.champion, pictures)
            candidate.read(self.candidate, pictures)
            self.announce(f"slice={part.name} lines={seen}/{len(labels)}")
        truths = [label.text.strip() for label in read]
        lines = [
            Line(label.key, truth, old.text, new.text)
            for label, truth, old, new in zip(
                read, truths, champion.readings, candidate.readings, strict=True
            )
        ]
        return {
            "name": part.name,
            "kind": part.kind,
            "lines": len(lines),
            "unreadable": unreadable,
            "champion": champion.summary(truths),
            "candidate": candidate.summary(truths),
            "paired": asdict(paired(lines)),
            "examples": asdict(examples(lines)),
        }

    def _chunks(self, labels: Sequence[Label]) -> Iterator[list[tuple[Label, Pixels | None]]]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(labels), _READ_AT_ONCE):
                chunk = labels[start : start + _READ_AT_ONCE]
                pictures = pool.map(self._picture, chunk)
                yield list(zip(chunk, pictures, strict=True))

    def _picture(self, label: Label) -> Pixels | None:
        try:
            pixels = decode_image(image_path(self.images, label.key).read_bytes())
        except (OSError, ImageError, LabelError):
            return None
        # Photographs are large and lines are small: only the small one is kept.
        return scale_line(pixels, self.champion.shape)
