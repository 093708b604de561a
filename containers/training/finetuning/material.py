"""What a training job learns from: new lines, old lines, and lines held back to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetuning.hyperparameters import Hyperparameters
from finetuning.labels import LabelError, read_labels, read_optional_labels
from finetuning.recipes import generic_lines_wanted, replay_lines_wanted
from finetuning.rendering import GenericLines
from finetuning.samples import Sample, SampleReader

_DEV_SHARE = 0.1
_MOST_DEV = 200
_GUARD_SHARE = 0.2
_MOST_REPLAY_GUARD = 100
_GENERIC_GUARD = 120
_FEWEST_TO_SPLIT = 10
# Held-back rendered lines must not repeat the trained ones.
_GUARD_SEED = 1_000_003


@dataclass(frozen=True)
class Material:
    """The lines of a job. `dev` (new) and `guard` (old) are never trained on."""

    new: tuple[Sample, ...]
    replay: tuple[Sample, ...]
    generic: tuple[Sample, ...]
    dev: tuple[Sample, ...]
    guard: tuple[Sample, ...]


def gather(labels: Path, images: Path, reader: SampleReader, wanted: Hyperparameters) -> Material:
    """Read everything the job was given.

    Raises LabelError when no line can be trained on.
    """
    train_labels = read_labels(labels / "train.txt")
    new = reader.read(train_labels, images)
    if not new:
        raise LabelError(
            f"None of the {len(train_labels)} lines in train.txt can be trained on "
            f"({', '.join(reader.set_aside.sentences()) or 'it lists no lines'})."
        )
    dev = reader.read(read_optional_labels(labels / "dev.txt"), images)
    if not dev:
        new, dev = _split(new, min(_MOST_DEV, round(len(new) * _DEV_SHARE)), wanted.seed)
    replay = reader.read(read_optional_labels(labels / "replay.txt"), images)
    held = min(_MOST_REPLAY_GUARD, round(len(replay) * _GUARD_SHARE))
    replay, replay_guard = _split(replay, held, wanted.seed)
    target = replay_lines_wanted(len(new), wanted.replay_ratio)
    replay = _sampled(replay, target, wanted.seed)
    count = generic_lines_wanted(wanted.generic_lines, target, len(replay))
    generic = reader.take(GenericLines(reader.dictionary, wanted.seed).lines(count))
    guard_lines = GenericLines(reader.dictionary, _GUARD_SEED).lines(_GENERIC_GUARD if count else 0)
    return Material(
        new=tuple(new),
        replay=tuple(replay),
        generic=tuple(generic),
        dev=tuple(dev),
        guard=(*replay_guard, *reader.take(guard_lines)),
    )


def _split(samples: Sequence[Sample], held: int, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide lines into those to train on and those to hold back; few lines stay whole."""
    if len(samples) < _FEWEST_TO_SPLIT or held < 1:
        return list(samples), []
    order = np.random.default_rng(seed).permutation(len(samples))
    back = {int(index) for index in order[:held]}
    return (
        [sample for index, sample in enumerate(samples) if index not in back],
        [samples[index] for index in sorted(back)],
    )


def _sampled(samples: Sequence[Sample], most: int, seed: int) -> list[Sample]:
    """Return at most that many lines, drawn evenly."""
    if len(samples) <= most:
        return list(samples)
    order = np.random.default_rng(seed).permutation(len(samples))
    return [samples[index] for index in sorted(order[:most])]
