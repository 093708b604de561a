"""Teaching a grown head its added characters before anything else learns.

The columns of added characters start as noise. Trained together with the neck from the first step,
their large errors distort what the neck knew; trained alone first, they find their place in the
champion's features, and the joint training starts from a model that reads them roughly.
(Kumar et al., Fine-Tuning can Distort Pretrained Features, ICLR 2022: linear probing first.)
It is cheap: the head's inputs are computed once and the network is not run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from finetuning.device import Device
from finetuning.examples import Batch, EncodedLines, Group, Mixture
from finetuning.losses import ctc_loss
from finetuning.parts import TrainedPart
from finetuning.progress import announce

_EPOCHS = 6
_BATCH = 64
_LEARNING_RATE = 2e-2

# The head's inputs of lines of one width, and where their outputs stand among the logits.
_Batch = Sequence[tuple[Any, list[list[int]]]]


@dataclass(frozen=True)
class Settler:
    """Trains the added columns of the part's head, in place, and nothing else."""

    part: TrainedPart
    device: Device
    seed: int

    def settle(self, lines: Sequence[EncodedLines]) -> None:
        """Learn from lines with added characters and from old ones, which must not use them."""
        outputs = self.part.outputs
        if not len(outputs.added):
            return
        self.part.eval()
        outputs.make_added_ordinary()
        batches = [self._hidden(batch.groups) for batch in self._batches(lines)]
        with outputs.only_added() as parameters:
            first, last = self._train(batches, parameters)
        outputs.write_back()
        announce(f"Settled {len(outputs.added)} added characters: loss {first:.2f} to {last:.2f}.")

    def _train(self, batches: Sequence[_Batch], parameters: Sequence[Any]) -> tuple[float, float]:
        """Return the mean loss of the first epoch and of the last."""
        steps = _EPOCHS * len(batches)
        schedule = paddle.optimizer.lr.CosineAnnealingDecay(_LEARNING_RATE, max(1, steps))
        optimizer = paddle.optimizer.Adam(schedule, parameters=parameters)
        rng = np.random.default_rng(self.seed)
        means: list[float] = []
        for epoch in range(_EPOCHS):
            losses = []
            for index in rng.permutation(len(batches)):
                self.part.outputs.draw_sample((self.seed, epoch, int(index)))
                losses.append(self._step(batches[index], optimizer))
                schedule.step()
            means.append(float(np.mean(losses)))
        return means[0], means[-1]

    def _batches(self, lines: Sequence[EncodedLines]) -> list[Batch]:
        mixture = Mixture(tuple(lines), _BATCH, self.seed)
        return list(mixture.batches(0, 0, self.part))

    def _hidden(self, groups: Sequence[Group]) -> _Batch:
        """Return the head's inputs and the targets' places for a batch of several widths."""
        found = []
        with paddle.no_grad(), self.device.precision():
            for group in groups:
                hidden = self.part.features(group.batch).astype("float32")
                places = [self.part.outputs.places(targets) for targets in group.targets]
                found.append((hidden, places))
        return found

    def _step(self, batch: _Batch, optimizer: Any) -> float:  # noqa: ANN401  (Paddle's)
        total = 0.0
        lines = sum(len(places) for _, places in batch)
        for hidden, places in batch:
            loss = ctc_loss(self.part.outputs(hidden), places) * (len(places) / lines)
            loss.backward()
            total += loss.item()
        optimizer.step()
        self.part.outputs.shorten_added()
        optimizer.clear_grad()
        return total
