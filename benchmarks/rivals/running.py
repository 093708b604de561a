"""Running PaddleOCR's tools/train.py for a given time, and collecting what it saved meanwhile."""

from __future__ import annotations

import math
import os
import re
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import processes
from benchmarks.datasets import LabelledLine, read_labels, write_labels
from benchmarks.models import Base
from benchmarks.places import (
    CACHE,
    PADDLEOCR_PYTHON,
    REPOSITORY,
    SCRIPTS,
    paddleocr_package,
    training_environment,
)
from benchmarks.processes import Finished
from benchmarks.rivals.settings import Inputs, Rival, Schedule

CHECKPOINTS = 8
_MOST_USED = 0.95
_TRIAL_STEPS = 6
_STEP = re.compile(r"global_step: \d+,.*avg_batch_cost: ([0-9.]+) s, avg_samples: ([0-9.]+)")


@dataclass(frozen=True)
class Speed:
    """How fast PaddleOCR trains here: seconds until the first step, then images per second."""

    startup: float
    images_per_second: float


@dataclass(frozen=True)
class Saved:
    """A checkpoint, and how long after the start it was complete."""

    weights: Path
    seconds: float


@dataclass(frozen=True)
class RivalRun:
    """What a run left; `directory` holds the configuration and the dictionary.

    presented: pictures that went through training steps.
    """

    directory: Path
    checkpoints: tuple[Saved, ...]
    presented: int
    finished: Finished


@dataclass(frozen=True)
class Task:
    """What PaddleOCR is to learn from: the base, the lines, and characters to add."""

    base: Base
    images: Path
    lines: Sequence[LabelledLine]
    general_lines: int
    new_characters: Sequence[str]
    seed: int


def measure_speed(rival: Rival, task: Task, directory: Path) -> Speed:
    """Train a few steps and see how long they take."""
    few = task.lines[: _TRIAL_STEPS * rival.batch]
    schedule = Schedule(epochs=1, share=1.0, save_every=1, seed=task.seed)
    inputs = _inputs(rival, task, few, directory, general=0)
    finished = _train(rival, inputs, schedule, directory, limit=None).check()
    log = finished.log.read_text(encoding="utf-8", errors="replace")
    return speed_of(log, finished.seconds)


def speed_of(log: str, seconds: float) -> Speed:
    """Read the speed from a log that has a line for every step."""
    steps = _steps(log)
    if not steps:
        raise processes.ProgramError("PaddleOCR's log has no training step.")
    # The first step allocates what the others use again.
    speeds = [images / cost for cost, images in steps[1:] or steps]
    training = sum(cost for cost, _ in steps)
    return Speed(max(0.0, seconds - training), statistics.median(speeds))


def plan(lines: int, rival: Rival, speed: Speed, budget: float, seed: int) -> Schedule:
    """Fill the budget with epochs that end in time and save often enough.

    PaddleOCR saves between epochs and plans its learning rate by them; where an epoch over all
    lines would take too long, each draws a share of them.
    """
    total = max(0.0, budget * _MOST_USED - speed.startup) * speed.images_per_second
    rounds = max(1, int(total / CHECKPOINTS / rival.round_of))
    # One line more or fewer than whole rounds, because PaddleOCR rounds the share of every file.
    wanted = rounds * rival.round_of + (-1 if rival.fills_up else 1)
    drawn = min(lines, wanted)
    rounding = math.ceil if rival.fills_up else math.floor
    epoch = max(1, rounding(drawn / rival.round_of)) * rival.round_of
    epochs = max(1, int(total / epoch))
    return Schedule(
        epochs=epochs,
        share=drawn / lines,
        save_every=max(1, epochs // CHECKPOINTS),
        seed=seed,
    )


def train(rival: Rival, task: Task, speed: Speed, budget: float, directory: Path) -> RivalRun:
    """Train for at most `budget` seconds, imports and start included."""
    general = len(task.lines) if rival.equal_general else task.general_lines
    inputs = _inputs(rival, task, task.lines, directory, general)
    lines = len(task.lines) + len(read_labels(inputs.general))
    schedule = plan(lines, rival, speed, budget, task.seed)
    finished = _train(rival, inputs, schedule, directory, limit=budget)
    if not finished.out_of_time:
        finished.check()
    steps = _steps(finished.log.read_text(encoding="utf-8", errors="replace"))
    return RivalRun(
        directory=directory,
        checkpoints=tuple(saved_in(inputs.output, finished.began)),
        presented=round(sum(images for _, images in steps)),
        finished=finished,
    )


def _steps(log: str) -> list[tuple[float, float]]:
    """Return the seconds and the number of pictures of every step in a log."""
    return [(float(cost), float(images)) for cost, images in _STEP.findall(log)]


def saved_in(output: Path, began: float) -> list[Saved]:
    """Return the checkpoints that are complete, the oldest first."""
    found = []
    for states in output.glob("iter_epoch_*.states"):
        # PaddleOCR writes the states after the weights.
        weights = states.with_suffix(".pdparams")
        if weights.is_file():
            found.append(Saved(weights, states.stat().st_mtime - began))
    return sorted(found, key=lambda saved: saved.seconds)


def as_base_model(run: RivalRun, saved: Saved, directory: Path) -> Path:
    """Lay out a checkpoint as people hand on models: weights, config.yml and dict.txt."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run.directory / "config.yml", directory / "config.yml")
    shutil.copyfile(run.directory / "dict.txt", directory / "dict.txt")
    (directory / "best_accuracy.pdparams").symlink_to(saved.weights)
    return directory


def _train(
    rival: Rival, inputs: Inputs, schedule: Schedule, directory: Path, limit: float | None
) -> Finished:
    config = directory / "config.yml"
    text = yaml.safe_dump(rival.configure(inputs, schedule), allow_unicode=True, sort_keys=False)
    config.write_text(text, encoding="utf-8")
    return processes.run(
        [PADDLEOCR_PYTHON, paddleocr_package() / "tools" / "train.py", "-c", config],
        directory / "log.txt",
        paddleocr_environment(rival.environment),
        directory,
        limit,
    )


def paddleocr_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables PaddleOCR runs with: the machine's own, nothing looked up online."""
    dropped = {"PYTHONPATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    offline = {"NO_ALBUMENTATIONS_UPDATE": "1", "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True"}
    return {**kept, **offline, "PYTHONUNBUFFERED": "1", **more}


def _inputs(
    rival: Rival, task: Task, lines: Sequence[LabelledLine], directory: Path, general: int
) -> Inputs:
    directory.mkdir(parents=True, exist_ok=True)
    new, old, dictionary = (directory / name for name in ("new.txt", "general.txt", "dict.txt"))
    write_labels(new, _absolute(lines, task.images))
    write_labels(old, _general_lines(task, general) if general else ())
    known = (task.base.directory / "dict.txt").read_text(encoding="utf-8")
    added = "".join(f"{character}\n" for character in task.new_characters)
    dictionary.write_text(known + added, encoding="utf-8")
    return Inputs(
        grown=bool(task.new_characters),
        new=new,
        general=old,
        pretrained=task.base.directory / "best_accuracy",
        multihead=_multihead(task.base).with_suffix(""),
        dictionary=dictionary,
        output=directory / "output",
    )


def _absolute(lines: Sequence[LabelledLine], images: Path) -> list[LabelledLine]:
    return [LabelledLine(str(images / line.name), line.text) for line in lines]


def _general_lines(task: Task, count: int) -> list[LabelledLine]:
    """Return lines of general text: the ones our trainer renders for itself with that seed."""
    directory = CACHE / "generic" / f"{task.base.directory.name}-{task.seed}-{count}"
    if not (directory / "labels.txt").is_file():
        processes.run(
            [
                REPOSITORY.training_python,
                SCRIPTS / "generic_lines.py",
                task.base.directory / "dict.txt",
                str(task.seed),
                str(count),
                directory,
            ],
            directory / "log.txt",
            training_environment(),
        ).check()
    return _absolute(read_labels(directory / "labels.txt"), directory)


def _multihead(base: Base) -> Path:
    """Return the base's weights under the names of the two-headed network (the second is new)."""
    renamed = CACHE / "multihead" / f"{base.directory.name}.pdparams"
    if not renamed.is_file():
        partial = renamed.with_name(f"partial-{renamed.name}")
        renamed.parent.mkdir(parents=True, exist_ok=True)
        processes.run(
            [
                PADDLEOCR_PYTHON,
                SCRIPTS / "multihead_weights.py",
                base.directory / "best_accuracy.pdparams",
                partial,
            ],
            renamed.with_suffix(".log"),
            paddleocr_environment({}),
        ).check()
        partial.replace(renamed)
    return renamed
