"""What a training job learns from: new lines, old lines, and lines held back to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetuning.alphabet import PracticeLines
from finetuning.choice import generic_lines_wanted, replay_lines_wanted
from finetuning.labels import Label, LabelError, read_optional_labels
from finetuning.recipes import Recipe
from finetuning.rendering import GenericLines
from finetuning.samples import Sample, SampleReader
from recognition.dictionary import CharacterDictionary

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
    """The lines of a job. `dev` (new) and `guard` (old) are never trained on.

    `practice` are rendered lines of characters that were just added to the dictionary, `generic`
    ones of what the champion knew before.
    """

    new: tuple[Sample, ...]
    practice: tuple[Sample, ...]
    replay: tuple[Sample, ...]
    generic: tuple[Sample, ...]
    dev: tuple[Sample, ...]
    guard: tuple[Sample, ...]


@dataclass(frozen=True)
class Gatherer:
    """Collects a job's lines: `train` ones, and what else the `labels` directory lists.

    `known` is the champion's dictionary, the reader's may hold more.
    """

    labels: Path
    train: Sequence[Label]
    images: Path
    reader: SampleReader
    known: CharacterDictionary
    added: tuple[str, ...]
    recipe: Recipe
    seed: int

    def gather(self) -> Material:
        """Read everything the job was given and render what it lacks.

        Raises LabelError when no line can be trained on.
        """
        new, dev = self._new()
        replay = self._read("replay.txt")
        held = min(_MOST_REPLAY_GUARD, round(len(replay) * _GUARD_SHARE))
        replay, replay_guard = _split(replay, held, self.seed)
        practice = self._practice(new)
        # Added characters often look like old ones in another script: as many lines that hold the
        # old ones keep them apart.
        target = replay_lines_wanted(len(new), self.recipe.replay_ratio) + len(practice)
        replay = _sampled(replay, target, self.seed)
        count = generic_lines_wanted(self.recipe.generic_lines, target, len(replay))
        return Material(
            new=tuple(new),
            practice=practice,
            replay=tuple(replay),
            generic=self._generic(self.seed, count),
            dev=tuple(dev),
            guard=(*replay_guard, *self._generic(_GUARD_SEED, _GENERIC_GUARD if count else 0)),
        )

    def _new(self) -> tuple[list[Sample], list[Sample]]:
        new = self.reader.read(self.train, self.images)
        if not new:
            raise LabelError(
                f"None of the {len(self.train)} lines in train.txt can be trained on "
                f"({', '.join(self.reader.set_aside.sentences()) or 'it lists no lines'})."
            )
        dev = self._read("dev.txt")
        if dev:
            return new, dev
        return _split(new, min(_MOST_DEV, round(len(new) * _DEV_SHARE)), self.seed)

    def _read(self, name: str) -> list[Sample]:
        return self.reader.read(read_optional_labels(self.labels / name), self.images)

    def _practice(self, new: Sequence[Sample]) -> tuple[Sample, ...]:
        texts = tuple(sample.text for sample in new)
        practice = PracticeLines(self.reader.dictionary, self.added, texts, self.seed)
        count = practice.wanted(self.recipe.practice_lines)
        return tuple(self.reader.take(practice.lines(count)))

    def _generic(self, seed: int, count: int) -> tuple[Sample, ...]:
        return tuple(self.reader.take(GenericLines(self.known, seed).lines(count)))


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
