"""The training loop: the same for every recipe, on cached features or on pixels."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle

from finetuning.checkpoints import Checkpoint, CheckpointDirectory, Position
from finetuning.device import Device
from finetuning.examples import Batch, Group, Mixture
from finetuning.gradients import add_up_gradients, average
from finetuning.interruption import StopRequest, TrainingInterruptedError
from finetuning.losses import ctc_loss
from finetuning.memory import is_out_of_memory
from finetuning.parts import TrainedPart
from finetuning.prefetching import prefetched
from finetuning.progress import EpochRecord, announce, announce_as, step_line
from finetuning.recipes import Recipe
from finetuning.retention import Anchor, Teacher
from finetuning.schedule import learning_rate_schedule
from finetuning.scoring import Judge, Score
from finetuning.team import Team
from finetuning.weights import Weights

_REPORT_EVERY = 10
_SAVE_EVERY_SECONDS = 60.0
# No two processes of a job draw the same dropout.
_SEEDS_PER_PROCESS = 10_000_019
# Held-back lines do not tell models apart that differ by less than this over the root of their
# number: two points of 400 lines, nine of twenty. The longer trained model is the better then.
_NOISE = 0.4


@dataclass
class Trainer:
    """Trains a part of a network in place."""

    part: TrainedPart
    mixture: Mixture
    recipe: Recipe
    seed: int
    judge: Judge
    device: Device
    checkpoints: CheckpointDirectory
    stop: StopRequest
    team: Team
    _best: Weights = field(default_factory=dict, init=False)
    _best_score: float | None = field(default=None, init=False)
    _since_gain: int = field(default=0, init=False)
    _losses: list[float] = field(default_factory=list, init=False)
    _compiled: bool = field(default=False, init=False)
    history: list[EpochRecord] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Prepare schedule, optimizer, and what holds the training near the champion."""
        recipe = self.recipe
        body = self.part.body_parameters(recipe.backbone_rate)
        self._parameters = [*body, *self.part.outputs.trained()]
        self._schedule = learning_rate_schedule(
            recipe.learning_rate, max(1, self._epochs * self.mixture.steps), recipe.warmup
        )
        self._optimizer = paddle.optimizer.AdamW(
            self._schedule,
            parameters=self._parameters,
            weight_decay=recipe.weight_decay,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(recipe.gradient_clip),
        )
        self._anchor = Anchor([*body, *self.part.outputs.trained_known()], recipe.l2_sp)
        distils = recipe.distillation > 0 or recipe.distillation_new > 0
        self._teacher = Teacher(self.part) if distils else None
        self._own_lines = -(-recipe.batch_size // self.team.size)
        self._at_once = self._own_lines

    @property
    def _epochs(self) -> int:
        return self.recipe.epochs or 1

    def run(self, before: Score) -> Weights:
        """Train and return the best trained weights seen, by name within the network.

        Raises TrainingInterruptedError after SIGTERM, once the checkpoint is written.
        """
        # Paddle numbers the optimizer's arrays across the process; a restart finds number 0 again.
        with paddle.utils.unique_name.guard():
            return self._run(before)

    def _run(self, before: Score) -> Weights:
        epoch, step = self._resume()
        if not self.history:
            self._record(0, before)
        while epoch < self._epochs and not self._out_of_time():
            if self._since_gain >= self.recipe.patience:
                announce(f"No gain in {self._since_gain} epochs; training stops here.")
                break
            began, seen = time.monotonic(), self._epoch(epoch, step)
            seconds = time.monotonic() - began
            if self._out_of_time():
                announce("The time budget is spent; the best weights so far are used.")
            self._record(epoch + 1, self._judge(epoch, before), seen, seconds)
            epoch, step = epoch + 1, 0
            self._save(epoch, step)
        return self._best

    def _out_of_time(self) -> bool:
        (late,) = self.team.anywhere(self.stop.out_of_time())
        return late

    def _latest(self) -> Checkpoint | None:
        """Return what the first process would go on from, so that all start at the same step."""
        own = self.checkpoints.latest() if self.team.rank == 0 else None
        if self.team.size == 1:
            return own
        arrays = self.team.share([] if own is None else own.as_arrays())
        return Checkpoint.of_arrays(arrays) if arrays else None

    def _resume(self) -> tuple[int, int]:
        saved = self._latest()
        if saved is None:
            return 0, 0
        self.part.set_weights(saved.weights)
        self._optimizer.set_state_dict(
            {
                **self._named_for_paddle(saved.optimizer),
                "LR_Scheduler": dict(saved.schedule),
            }
        )
        position = saved.position
        self._best, self._best_score = saved.best, position.best_score
        self._since_gain = position.epochs_since_gain
        self.history = list(saved.history)
        announce(f"Resumed at epoch {position.epoch + 1}, step {position.step + 1}.")
        return position.epoch, position.step

    def _epoch(self, epoch: int, first: int) -> int:
        """Train for what is left of an epoch; return how many lines were seen."""
        self.part.train(batch_statistics=self.recipe.batch_statistics)
        losses = self._losses = []
        started = saved = time.monotonic()
        seen = 0
        batches = self.mixture.batches(epoch, first, self.part)
        if self.device.is_gpu:
            batches = prefetched(batches)
        for step, batch in enumerate(batches, start=first + 1):
            # Seeding every step makes dropout the same after a restart.
            number = epoch * self.mixture.steps + step
            paddle.seed(self.seed + number + self.team.rank * _SEEDS_PER_PROCESS)
            self.part.outputs.draw_sample((self.seed, epoch, step))
            losses.append(self._step(batch))
            seen += batch.lines
            if step % _REPORT_EVERY == 0 or step == self.mixture.steps:
                speed = seen / max(time.monotonic() - started, 1e-9)
                self._report(epoch, step, float(np.mean(losses[-_REPORT_EVERY:])), speed)
            terminated, late = self.team.anywhere(self.stop.terminated, self.stop.out_of_time())
            if terminated:
                self._save(epoch, step)
                raise TrainingInterruptedError
            if time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                self._save(epoch, step)
                saved = time.monotonic()
            if late:
                break
        return seen

    def _report(self, epoch: int, step: int, loss: float, speed: float) -> None:
        announce(
            step_line(
                (epoch + 1, self._epochs),
                (step, self.mixture.steps),
                loss,
                self._schedule.last_lr,
                speed,
            )
        )

    def _step(self, batch: Batch) -> float:
        """Take one optimizer step; return the loss over all processes' lines."""
        own = self._gradients(batch)
        if not self._compiled:
            self.team.meet()
            self._compiled = True
        loss = add_up_gradients(self.team, self._parameters, own)
        self.device.step(self._optimizer)
        if self.recipe.batch_statistics:
            average(self.team, self.part.statistics())
        self.part.outputs.shorten_added()
        self._anchor.pull(self._schedule.last_lr)
        self._schedule.step()
        return loss

    def _gradients(self, batch: Batch) -> float:
        try:
            return self._backward(batch)
        # Paddle reports a lack of memory as one of several exceptions.
        except Exception as error:
            if not is_out_of_memory(error) or self._at_once < self._own_lines:
                raise
            self._at_once = max(1, self._own_lines // 2)
            announce_as(
                self.team.rank,
                f"Out of memory: from here on {self._at_once} lines at a time, "
                f"still {self.recipe.batch_size} per step.",
            )
        self._optimizer.clear_grad()
        return self._backward(batch)

    def _backward(self, batch: Batch) -> float:
        """Compute the gradients of this process's lines, which may be of several widths.

        Lines of one width go through together and the gradients add up, so that no line sees
        padding that evaluation would not give it.
        """
        total = 0.0
        for group in batch.groups:
            for piece in group.pieces(self._at_once):
                loss = self._loss(piece) * (len(piece) / batch.lines)
                self.device.backward(loss)
                total += loss.item()
        return total

    def _loss(self, group: Group) -> Any:  # noqa: ANN401  (a tensor)
        outputs = self.part.outputs
        with self.device.precision():
            logits = outputs(self.part.features(group.batch))
        if self.device.is_gpu:
            logits = logits.astype("float32")
        loss = ctc_loss(logits, [outputs.places(targets) for targets in group.targets])
        return loss if self._teacher is None else loss + self._distance(group, logits)

    def _distance(self, group: Group, logits: Any) -> Any:  # noqa: ANN401  (tensors)
        """Return how far the outputs are from the champion's, weighted by kind of line."""
        total: Any = 0.0
        recipe = self.recipe
        for old, weight in ((True, recipe.distillation), (False, recipe.distillation_new)):
            chosen = [index for index, is_old in enumerate(group.old) if is_old == old]
            if self._teacher is not None and chosen and weight > 0:
                part = paddle.index_select(logits, paddle.to_tensor(chosen), axis=0)
                distance = self._teacher.loss(group.batch[chosen], part)
                total = total + weight * distance * (len(chosen) / len(group))
        return total

    def _judge(self, epoch: int, before: Score) -> Score:
        self.part.outputs.write_back()
        score = self.judge.score()
        self.judge.announce((epoch + 1, self._epochs), score)
        utility = score.utility(before)
        best = self._best_score
        self._since_gain = 0 if best is None or utility > best else self._since_gain + 1
        noise = _NOISE / math.sqrt(max(1, len(self.judge.dev)))
        if best is None or utility >= max(best, utility) - noise:
            self._best = self.part.weights()
        self._best_score = utility if best is None else max(best, utility)
        return score

    def _record(self, epoch: int, score: Score, seen: int = 0, seconds: float = 0.0) -> None:
        """Remember an epoch for the manifest; after a restart within it, what came after that."""
        trained = seen > 0
        self.history.append(
            EpochRecord(
                epoch=epoch,
                loss=round(float(np.mean(self._losses)), 5) if trained else None,
                learning_rate=float(self._schedule.last_lr) if trained else None,
                dev_exact_match=round(score.dev, 4),
                guard_exact_match=round(score.guard, 4) if len(self.judge.guard) else None,
                images_per_second=round(seen / max(seconds, 1e-9), 1) if trained else None,
                seconds=round(seconds, 2) if trained else None,
            )
        )

    def _save(self, epoch: int, step: int) -> None:
        if self.team.rank > 0:
            return
        self.part.outputs.write_back()
        state = self._optimizer.state_dict()
        schedule = {key: float(value) for key, value in state.pop("LR_Scheduler").items()}
        optimizer = {self._lasting_name(name): tensor.numpy() for name, tensor in state.items()}
        self.checkpoints.save(
            Checkpoint(
                position=Position(epoch, step, self._best_score, self._since_gain),
                schedule=schedule,
                weights=self.part.weights(),
                optimizer=optimizer,
                best=self._best,
                history=tuple(self.history),
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
