"""Scores while training: exact match on held-back lines, new ones and old ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import paddle

from finetuning.device import Device
from finetuning.examples import EncodedLines
from finetuning.parts import TrainedPart
from finetuning.progress import announce, epoch_line, guard_line
from finetuning.team import Team
from recognition.dictionary import CharacterDictionary
from recognition.preprocessing import batches_of_equal_width

_BATCH = 16
# One point lost on what the model knew weighs as much as two points won on what is new. The first
# point is within the noise of a hundred lines, and within what the verdict allows.
_COST_OF_FORGETTING = 2.0
_FORGIVEN = 0.01


@dataclass(frozen=True)
class Score:
    """Exact match, 0..1, on held-back new lines (dev) and on held-back old ones (guard)."""

    dev: float
    guard: float

    def forgotten(self, before: Score) -> float:
        """Return how much of what the champion knew is lost, beyond what noise explains."""
        return max(0.0, before.guard - self.guard - _FORGIVEN)

    def utility(self, before: Score) -> float:
        """Return how good a model is, given what the champion scored."""
        return self.dev - _COST_OF_FORGETTING * self.forgotten(before)


@dataclass(frozen=True)
class Judge:
    """Scores the trained part as it stands."""

    part: TrainedPart
    dictionary: CharacterDictionary
    device: Device
    dev: EncodedLines
    guard: EncodedLines
    team: Team

    def announce(self, epoch: tuple[int, int], score: Score) -> None:
        """Print the lines that end an epoch."""
        announce(epoch_line(epoch, score.dev, len(self.dev)))
        if len(self.guard):
            announce(guard_line(epoch, score.guard, len(self.guard)))

    def score(self) -> Score:
        """Read the held-back lines, each process a share; an empty set counts as perfect."""
        self.part.eval()
        sets = (self.dev, self.guard)
        own = [self._right(lines.share(self.team)) for lines in sets]
        # What is read for the first time is compiled first, which takes as long as it takes.
        self.team.meet()
        right = self.team.total(own)
        dev, guard = (
            found / len(lines) if len(lines) else 1.0
            for found, lines in zip(right, sets, strict=True)
        )
        return Score(dev, guard)

    def _right(self, lines: EncodedLines) -> int:
        readings = read_lines(self.part, lines, self.dictionary, self.device)
        return sum(
            reading.strip() == sample.text.strip()
            for reading, sample in zip(readings, lines.samples, strict=True)
        )


def read_lines(
    part: TrainedPart, lines: EncodedLines, dictionary: CharacterDictionary, device: Device
) -> list[str]:
    """Return what the part reads in the lines as they are, with all outputs of the head."""
    return [dictionary.decode(path) for path in best_paths(part, lines, device)]


def best_paths(
    part: TrainedPart, lines: EncodedLines, device: Device
) -> list[npt.NDArray[np.int64]]:
    """Return the most probable output of every step of every line."""
    widths = [lines.width(index, part) for index in range(len(lines))]
    paths: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * len(lines)
    if not widths:
        return paths
    with paddle.no_grad(), device.precision():
        for indices in batches_of_equal_width(widths, _BATCH, max(widths)):
            found = part.best_outputs([lines.inputs(index) for index in indices])
            for index, path in zip(indices, found, strict=True):
                paths[index] = path
    return paths
