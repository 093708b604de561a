"""Labelled lines ready for training: decoded, scaled once, spelled in the network's outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finetuning.labels import Label
from finetuning.pictures import PictureReader
from finetuning.rendering import RenderedLine
from finetuning.storage import ArrayStore
from recognition.dictionary import CharacterDictionary, required_steps
from recognition.images import Pixels
from recognition.preprocessing import LineShape, scale_line

_READ_AT_ONCE = 256


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
        """Read the images of the labels; what cannot be used is set aside and counted.

        The samples are in the labels' order.
        """
        pictures = PictureReader(directory, self.resolution.shape, _READ_AT_ONCE)
        outcomes: list[Sample | str] = [""] * len(labels)
        for index, picture in pictures.read(labels):
            outcomes[index] = (
                picture if isinstance(picture, str) else self._sample(labels[index].text, picture)
            )
        samples = []
        for label, outcome in zip(labels, outcomes, strict=True):
            if isinstance(outcome, Sample):
                samples.append(outcome)
            else:
                self.set_aside.note(outcome, label.name)
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

    def _sample(self, text: str, pixels: Pixels) -> Sample | str:
        if self.dictionary.unknown(text):
            return "unknown_character"
        targets = self.dictionary.encode(text)
        if not self.resolution.fits(targets, pixels):
            return "text_longer_than_image"
        return Sample(text, tuple(targets), self.store.append(pixels))
