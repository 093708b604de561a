"""Scores while training: exact match on held-back lines, new ones and old ones."""

from __future__ import annotations

from dataclasses import dataclass

import paddle

from finetuning.device import Device
from finetuning.examples import EncodedLines
from finetuning.networks import Network
from finetuning.parts import TrainedPart
from finetuning.progress import announce, epoch_line, guard_line
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
    network: Network
    dictionary: CharacterDictionary
    device: Device
    dev: EncodedLines
    guard: EncodedLines

    def announce(self, epoch: tuple[int, int], score: Score) -> None:
        """Print the lines that end an epoch."""
        announce(epoch_line(epoch, score.dev, len(self.dev)))
        if len(self.guard):
            announce(guard_line(epoch, score.guard, len(self.guard)))

    def score(self) -> Score:
        """Read the held-back lines; an empty set counts as perfect."""
        self.network.eval()
        return Score(self._exact_match(self.dev), self._exact_match(self.guard))

    def _exact_match(self, lines: EncodedLines) -> float:
        if not len(lines):
            return 1.0
        widths = [lines.width(index, 0, self.part) for index in range(len(lines))]
        right = 0
        with paddle.no_grad(), self.device.precision():
            for indices in batches_of_equal_width(widths, _BATCH, max(widths)):
                inputs = [lines.example(index, 0).inputs for index in indices]
                probabilities = self.part.outputs(inputs).astype("float32").numpy()
                readings = self.dictionary.read_probabilities(probabilities)
                right += sum(
                    reading.text.strip() == lines.samples[index].text.strip()
                    for index, reading in zip(indices, readings, strict=True)
                )
        return right / len(lines)
