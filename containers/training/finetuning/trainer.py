"""The training loop: the same for every recipe, on cached features or on pixels."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle

from finetuning.checkpoints import Checkpoint, CheckpointDirectory, Position
from finetuning.device import Device
from finetuning.examples import EncodedLines, Example, Mixture
from finetuning.interruption import StopRequest
from finetuning.losses import ctc_loss
from finetuning.networks import Network
from finetuning.parts import TrainedPart
from finetuning.progress import announce, step_line
from finetuning.scoring import Judge, Score
from finetuning.weights import Weights

_CLIP = 5.0
_WEIGHT_DECAY = 1e-4
_REPORT_EVERY = 10
_SAVE_EVERY_SECONDS = 60.0
# A hundred held-back lines do not tell two points apart; the longer trained model is the better.
_NOISE = 0.02


class TrainingInterruptedError(Exception):
    """SIGTERM came; a checkpoint was saved."""


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train."""

    epochs: int
    learning_rate: float
    seed: int


@dataclass
class Trainer:
    """Trains a part of a network in place."""

    part: TrainedPart
    network: Network
    mixture: Mixture
    plan: Plan
    judge: Judge
    device: Device
    checkpoints: CheckpointDirectory
    stop: StopRequest
    _best: Weights = field(default_factory=dict, init=False)
    _best_score: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Prepare schedule and optimizer."""
        self._parameters = self.part.parameters()
        total = max(1, self.plan.epochs * self.mixture.steps)
        self._schedule = paddle.optimizer.lr.CosineAnnealingDecay(self.plan.learning_rate, total)
        self._optimizer = paddle.optimizer.AdamW(
            self._schedule,
            parameters=self._parameters,
            weight_decay=_WEIGHT_DECAY,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(_CLIP),
        )

    def run(self, before: Score) -> Weights:
        """Train and return the best trained weights seen, by name within the network.

        Raises TrainingInterruptedError after SIGTERM, once the checkpoint is written.
        """
        # Paddle numbers the optimizer's arrays across the process; a restart finds number 0 again.
        with paddle.utils.unique_name.guard():
            return self._run(before)

    def _run(self, before: Score) -> Weights:
        epoch, step = self._resume()
        while epoch < self.plan.epochs and not self.stop.out_of_time():
            self._epoch(epoch, step)
            if self.stop.out_of_time():
                announce("The time budget is spent; the best weights so far are used.")
            self._judge(epoch, before)
            epoch, step = epoch + 1, 0
            self._save(epoch, step)
        return self._best

    def _resume(self) -> tuple[int, int]:
        saved = self.checkpoints.latest()
        if saved is None:
            return 0, 0
        set_trained_weights(self.network, saved.weights)
        self._optimizer.set_state_dict(
            {
                **self._named_for_paddle(saved.optimizer),
                "LR_Scheduler": dict(saved.schedule),
            }
        )
        self._best, self._best_score = saved.best, saved.position.best_score
        announce(f"Resumed at epoch {saved.position.epoch + 1}, step {saved.position.step + 1}.")
        return saved.position.epoch, saved.position.step

    def _epoch(self, epoch: int, first: int) -> None:
        self.part.train()
        losses: list[float] = []
        started = saved = time.monotonic()
        seen = 0
        for step, batch in enumerate(self.mixture.batches(epoch, first), start=first + 1):
            # Seeding every step makes dropout the same after a restart.
            paddle.seed(self.plan.seed + epoch * self.mixture.steps + step)
            losses.append(self._step(batch, epoch))
            seen += len(batch)
            if step % _REPORT_EVERY == 0 or step == self.mixture.steps:
                speed = seen / max(time.monotonic() - started, 1e-9)
                self._report(epoch, step, float(np.mean(losses[-_REPORT_EVERY:])), speed)
            if self.stop.terminated:
                self._save(epoch, step)
                raise TrainingInterruptedError
            if time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                self._save(epoch, step)
                saved = time.monotonic()
            if self.stop.out_of_time():
                return

    def _report(self, epoch: int, step: int, loss: float, speed: float) -> None:
        announce(
            step_line(
                (epoch + 1, self.plan.epochs),
                (step, self.mixture.steps),
                loss,
                self._schedule.last_lr,
                speed,
            )
        )

    def _step(self, batch: Sequence[tuple[EncodedLines, int]], epoch: int) -> float:
        """Take one optimizer step over a batch whose lines may be of several widths.

        Lines of one width go through together and the gradients add up, so that no line sees
        padding that evaluation would not give it.
        """
        total = 0.0
        for examples in self._by_width(batch, epoch):
            with self.device.precision():
                logits = self.part.outputs([example.inputs for example in examples])
            if self.device.is_gpu:
                logits = logits.astype("float32")
            loss = ctc_loss(logits, [example.targets for example in examples])
            share = loss * (len(examples) / len(batch))
            self.device.backward(share)
            total += share.item()
        self.device.step(self._optimizer)
        self._schedule.step()
        return total

    def _by_width(
        self, batch: Sequence[tuple[EncodedLines, int]], epoch: int
    ) -> list[list[Example]]:
        groups: dict[int, list[Example]] = defaultdict(list)
        for lines, index in batch:
            width = lines.width(index, epoch, self.part)
            groups[width].append(lines.example(index, epoch))
        return list(groups.values())

    def _judge(self, epoch: int, before: Score) -> None:
        score = self.judge.score()
        self.judge.announce((epoch + 1, self.plan.epochs), score)
        utility = score.utility(before)
        best = utility if self._best_score is None else max(self._best_score, utility)
        if utility >= best - _NOISE:
            self._best = trained_weights(self.part, self.network)
        self._best_score = best

    def _save(self, epoch: int, step: int) -> None:
        state = self._optimizer.state_dict()
        schedule = {key: float(value) for key, value in state.pop("LR_Scheduler").items()}
        optimizer = {self._lasting_name(name): tensor.numpy() for name, tensor in state.items()}
        self.checkpoints.save(
            Checkpoint(
                position=Position(epoch, step, self._best_score),
                schedule=schedule,
                weights=trained_weights(self.part, self.network),
                optimizer=optimizer,
                best=self._best,
            )
        )

    def _lasting_name(self, name: str) -> str:
        """Return an optimizer array's name with the parameter's number for its name.

        Parameters are called differently in every process.
        """
        for number, parameter in enumerate(self._parameters):
            if name.startswith(f"{parameter.name}_"):
                return f"{number}{name.removeprefix(parameter.name)}"
        raise KeyError(name)

    def _named_for_paddle(self, arrays: Weights) -> dict[str, Any]:
        named = {}
        for name, value in arrays.items():
            number, _, rest = name.partition("_")
            parameter = self._parameters[int(number)]
            named[f"{parameter.name}_{rest}"] = paddle.to_tensor(value)
        return named


def trained_weights(part: TrainedPart, network: Network) -> Weights:
    """Return copies of the arrays of the trained layers, by their name within the network."""
    trained = {id(tensor) for layer in part.layers() for tensor in layer.state_dict().values()}
    return {
        name: tensor.numpy().copy()
        for name, tensor in network.state_dict().items()
        if id(tensor) in trained
    }


def set_trained_weights(network: Network, weights: Weights) -> None:
    """Set arrays by their name within the network."""
    state: dict[str, Any] = network.state_dict()
    for name, value in weights.items():
        state[name].set_value(value)
