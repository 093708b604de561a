"""What the network trains on: every line once per epoch, new ones in a fresh view each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from finetuning.augmentation import augmented
from finetuning.parts import Inputs, TrainedPart
from finetuning.samples import Resolution, Sample
from finetuning.storage import ArrayStore
from recognition.images import Pixels
from recognition.preprocessing import scale_line

_CHUNK = 64


@dataclass(frozen=True)
class Example:
    """One line of a batch: the outputs that spell it and its encoded picture."""

    targets: tuple[int, ...]
    inputs: Inputs


@dataclass(frozen=True)
class EncodedLines:
    """Lines with one or more stored views each."""

    samples: tuple[Sample, ...]
    views: tuple[tuple[int, ...], ...]
    store: ArrayStore

    def __len__(self) -> int:
        return len(self.samples)

    def example(self, index: int, epoch: int) -> Example:
        """Return a line as the epoch shows it."""
        views = self.views[index]
        stored = views[epoch % len(views)]
        return Example(self.samples[index].targets, self.store[stored])

    def width(self, index: int, epoch: int, part: TrainedPart) -> int:
        """Return the width class of a line in that epoch."""
        views = self.views[index]
        return part.width(self.store.shape(views[epoch % len(views)]))


@dataclass(frozen=True)
class Encoder:
    """Encodes lines for the trained part. A view depends on the seed, the line and its number."""

    part: TrainedPart
    resolution: Resolution
    pixels: ArrayStore
    store: ArrayStore
    seed: int
    check_stop: Callable[[], None]

    def encode(self, samples: Sequence[Sample], views: int = 1) -> EncodedLines:
        """Encode every line as it is and in `views - 1` distorted views."""
        found: list[list[int]] = [[] for _ in samples]
        for view in range(views):
            for start in range(0, len(samples), _CHUNK):
                chunk = samples[start : start + _CHUNK]
                pictures = [self._picture(sample, view) for sample in chunk]
                for offset, inputs in enumerate(self.part.encode(pictures)):
                    found[start + offset].append(self.store.append(inputs))
                self.check_stop()
        return EncodedLines(tuple(samples), tuple(tuple(item) for item in found), self.store)

    def _picture(self, sample: Sample, view: int) -> Pixels:
        pixels = self.pixels[sample.pixels]
        if view == 0:
            return pixels
        rng = np.random.default_rng((self.seed, sample.pixels, view))
        distorted = scale_line(augmented(pixels, rng), self.resolution.shape)
        # A view too narrow for its text cannot be learned; the line as it is can.
        return distorted if self.resolution.fits(sample.targets, distorted) else pixels


@dataclass(frozen=True)
class Mixture:
    """New and old lines, shuffled together anew each epoch."""

    parts: tuple[EncodedLines, ...]
    batch_size: int
    seed: int

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self) // self.batch_size)

    def batches(self, epoch: int, first: int) -> Iterator[list[tuple[EncodedLines, int]]]:
        """Yield the epoch's batches from the given one on; the order depends on seed and epoch."""
        members = [(part, index) for part in self.parts for index in range(len(part))]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(members))
        for start in range(first * self.batch_size, len(members), self.batch_size):
            yield [members[index] for index in order[start : start + self.batch_size]]
