"""Labelled lines ready for training: decoded, scaled once, spelled in the network's outputs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from finetuning.labels import Label, LabelError, image_path
from finetuning.rendering import RenderedLine
from finetuning.storage import ArrayStore
from recognition.dictionary import CharacterDictionary, required_steps
from recognition.images import ImageError, Pixels, decode_image
from recognition.preprocessing import LineShape, scale_line

_DECODED_AT_ONCE = 256


@dataclass(frozen=True)
class Sample:
    """One line: its text, the outputs that spell it, and where its scaled picture is stored."""

    text: str
    targets: tuple[int, ...]
    pixels: int


@dataclass
class SetAside:
    """Lines that could not be used, counted by reason, the first of each named."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, name: str) -> None:
        """Count one line."""
        self.counts[reason] += 1
        self.first.setdefault(reason, name)

    @property
    def total(self) -> int:
        """How many lines were set aside."""
        return self.counts.total()

    def sentences(self) -> list[str]:
        """Return one sentence per reason."""
        return [
            f"set_aside={count} reason={reason} first={self.first[reason]}"
            for reason, count in sorted(self.counts.items())
        ]


@dataclass(frozen=True)
class Resolution:
    """How many time steps the network gives a line; CTC needs one for every character."""

    shape: LineShape
    steps_per_pixel: float

    def fits(self, targets: Sequence[int], pixels: Pixels) -> bool:
        """Whether the scaled line has room for its text; CTC's loss is infinite otherwise."""
        width = self.shape.padded_width(*pixels.shape[:2])
        return required_steps(targets) <= int(width * self.steps_per_pixel)


@dataclass(frozen=True)
class SampleReader:
    """Turns labels into samples whose pictures go to the store."""

    dictionary: CharacterDictionary
    resolution: Resolution
    store: ArrayStore
    set_aside: SetAside

    def read(self, labels: Sequence[Label], directory: Path) -> list[Sample]:
        """Read the images of the labels; what cannot be used is set aside and counted."""
        samples = []
        for label, outcome in _decoded(labels, directory, self.resolution.shape):
            if isinstance(outcome, str):
                self.set_aside.note(outcome, label.key)
                continue
            sample = self._sample(label.text, outcome, label.key)
            if sample is not None:
                samples.append(sample)
        return samples

    def take(self, lines: Iterable[RenderedLine]) -> list[Sample]:
        """Take rendered lines; those too long for their width are left out silently."""
        samples = []
        for line in lines:
            pixels = scale_line(line.pixels, self.resolution.shape)
            targets = self.dictionary.encode(line.text)
            if self.resolution.fits(targets, pixels):
                samples.append(Sample(line.text, tuple(targets), self.store.append(pixels)))
        return samples

    def _sample(self, text: str, pixels: Pixels, name: str) -> Sample | None:
        if self.dictionary.unknown(text):
            self.set_aside.note("unknown_character", name)
            return None
        targets = self.dictionary.encode(text)
        if not self.resolution.fits(targets, pixels):
            self.set_aside.note("text_longer_than_image", name)
            return None
        return Sample(text, tuple(targets), self.store.append(pixels))


def _decoded(
    labels: Sequence[Label], directory: Path, shape: LineShape
) -> Iterator[tuple[Label, Pixels | str]]:
    def decode(label: Label) -> Pixels | str:
        try:
            data = image_path(directory, label.key).read_bytes()
            return scale_line(decode_image(data), shape)
        except (OSError, LabelError):
            return "missing_image"
        except ImageError:
            return "unreadable_image"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(labels), _DECODED_AT_ONCE):
            chunk = labels[start : start + _DECODED_AT_ONCE]
            yield from zip(chunk, pool.map(decode, chunk), strict=True)
