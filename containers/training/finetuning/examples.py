"""What the network trains on: every line once per epoch, new ones in a fresh view each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from finetuning.augmentation import augmented
from finetuning.parts import Inputs, TrainedPart
from finetuning.samples import Resolution, Sample
from finetuning.storage import ArrayStore
from finetuning.team import Alone, Team
from recognition.images import Pixels
from recognition.preprocessing import Tensor, scale_line

_CHUNK = 64


@dataclass(frozen=True)
class EncodedLines:
    """Lines with one or more stored views each.

    `old` tells lines of what the champion knows from new ones. `repeats` says how often a line is
    shown per epoch, each time in another view.
    """

    samples: tuple[Sample, ...]
    views: tuple[tuple[int, ...], ...]
    store: ArrayStore
    old: bool = False
    repeats: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def share(self, team: Team) -> EncodedLines:
        """Return the lines that this process is to read when all are read once."""
        chosen = slice(team.rank, None, team.size)
        return EncodedLines(self.samples[chosen], self.views[chosen], self.store, self.old)

    def members(self) -> list[Member]:
        """Return what an epoch shows of these lines."""
        repeats = self.repeats or (1,) * len(self)
        return [
            Member(self, index, repeat)
            for index, count in enumerate(repeats)
            for repeat in range(count)
        ]

    def inputs(self, index: int, turn: int = 0) -> Inputs:
        """Return a line as stored for its turn: views take turns."""
        return self.store[self._stored(index, turn)]

    def width(self, index: int, part: TrainedPart, turn: int = 0) -> int:
        """Return the width class of a line in that turn."""
        return part.width(self.store.shape(self._stored(index, turn)))

    def _stored(self, index: int, turn: int) -> int:
        views = self.views[index]
        return views[turn % len(views)]


@dataclass(frozen=True)
class Member:
    """One appearance of a line in an epoch."""

    lines: EncodedLines
    index: int
    repeat: int

    def turn(self, epoch: int) -> int:
        """Return which view it shows: no two appearances of neighbouring epochs share one."""
        repeats = self.lines.repeats[self.index] if self.lines.repeats else 1
        return epoch * repeats + self.repeat


@dataclass(frozen=True)
class Group:
    """Lines of one width that go through the network together: [lines, ...] and what they say."""

    batch: Tensor
    targets: tuple[tuple[int, ...], ...]
    old: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def pieces(self, most: int) -> Iterator[Group]:
        """Yield the lines in pieces of at most so many."""
        for start in range(0, len(self), most):
            span = slice(start, start + most)
            yield Group(self.batch[span], self.targets[span], self.old[span])


@dataclass(frozen=True)
class Batch:
    """This process's share of a step's lines; `lines` is how many the step has in all."""

    groups: tuple[Group, ...]
    lines: int


@dataclass(frozen=True)
class Encoder:
    """Encodes lines for the trained part. A view depends on the seed, the line and its number.

    Processes share the work out and exchange what it gives, so that each can train on any line and
    all train on the same bits.
    """

    part: TrainedPart
    resolution: Resolution
    pixels: ArrayStore
    store: ArrayStore
    seed: int
    progress: Callable[[int], None]
    team: Team

    def encode(
        self, samples: Sequence[Sample], *, views: int = 1, old: bool = False
    ) -> EncodedLines:
        """Encode every line as it is and in `views - 1` distorted views."""
        found: list[list[int]] = [[] for _ in samples]
        at_once = _CHUNK * self.team.size
        for view in range(views):
            for start in range(0, len(samples), at_once):
                chunk = samples[start : start + at_once]
                own = chunk[self.team.rank * _CHUNK : (self.team.rank + 1) * _CHUNK]
                encoded = self.part.encode([self._picture(sample, view) for sample in own])
                everybodys = chain.from_iterable(self.team.gather(encoded))
                for offset, inputs in enumerate(everybodys):
                    found[start + offset].append(self.store.append(inputs))
                self.progress(len(chunk))
        return EncodedLines(tuple(samples), tuple(tuple(item) for item in found), self.store, old)

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
    """New and old lines, shuffled together anew each epoch.

    `batch_size` lines make a step; of each batch every process of the team takes another share.
    """

    parts: tuple[EncodedLines, ...]
    batch_size: int
    seed: int
    team: Team = Alone()

    def __len__(self) -> int:
        return sum(sum(part.repeats) if part.repeats else len(part) for part in self.parts)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self) // self.batch_size)

    def batches(self, epoch: int, first: int, part: TrainedPart) -> Iterator[Batch]:
        """Yield the epoch's batches from the given one on; the order depends on seed and epoch."""
        members = [member for lines in self.parts for member in lines.members()]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(members))
        for start in range(first * self.batch_size, len(members), self.batch_size):
            chosen = [members[index] for index in order[start : start + self.batch_size]]
            own = chosen[self.team.rank :: self.team.size]
            yield Batch(_groups(own, epoch, part), len(chosen))


def _groups(members: Sequence[Member], epoch: int, part: TrainedPart) -> tuple[Group, ...]:
    by_width: dict[int, list[Member]] = defaultdict(list)
    for member in members:
        by_width[member.lines.width(member.index, part, member.turn(epoch))].append(member)
    return tuple(
        Group(
            part.batch([each.lines.inputs(each.index, each.turn(epoch)) for each in together]),
            tuple(each.lines.samples[each.index].targets for each in together),
            tuple(each.lines.old for each in together),
        )
        for together in by_width.values()
    )
