"""Checkpoints from which an interrupted training continues as if nothing had happened.

A checkpoint is a directory of plain arrays and one JSON file, written under a temporary name and
renamed, with checksums: one that was cut off, here or on its way through S3, is recognised and the
one before it is used.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from finetuning.progress import EpochRecord
from finetuning.weights import Array, Weights
from recognition.artefact import file_sha256

_STATE = "state.json"
_KEPT = 2
_GROUPS = ("weights", "optimizer", "best")


@dataclass(frozen=True)
class Position:
    """Where training stands: whole epochs done, steps done of the next, the best score so far.

    Random numbers and the order of the lines follow from the job's seed and this position, so that
    nothing else needs to be kept of them.
    """

    epoch: int
    step: int
    best_score: float | None
    epochs_since_gain: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on."""

    position: Position
    schedule: Mapping[str, float]
    weights: Weights
    optimizer: Weights
    best: Weights
    history: tuple[EpochRecord, ...] = ()

    def as_arrays(self) -> list[Array]:
        """Return all of it as arrays, the first of which holds the rest as JSON text."""
        text = json.dumps(_described(self)).encode()
        groups = (getattr(self, group).values() for group in _GROUPS)
        return [np.frombuffer(text, dtype=np.uint8), *chain.from_iterable(groups)]

    @classmethod
    def of_arrays(cls, arrays: Sequence[Array]) -> Checkpoint:
        """Return the checkpoint whose arrays these are."""
        described = json.loads(arrays[0].tobytes())
        rest = iter(arrays[1:])
        return _assembled(
            described,
            {group: {name: next(rest) for name in described["names"][group]} for group in _GROUPS},
        )


def _described(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "position": asdict(checkpoint.position),
        "schedule": dict(checkpoint.schedule),
        "history": [asdict(each) for each in checkpoint.history],
        "names": {group: list(getattr(checkpoint, group)) for group in _GROUPS},
    }


def _assembled(described: Mapping[str, Any], groups: Mapping[str, Weights]) -> Checkpoint:
    return Checkpoint(
        position=Position(**described["position"]),
        schedule=described["schedule"],
        # Checkpoints of earlier versions do not tell it.
        history=tuple(EpochRecord(**each) for each in described.get("history", ())),
        **groups,
    )


@dataclass(frozen=True)
class CheckpointDirectory:
    """Keeps the last checkpoints of one training: the fingerprint tells it from others."""

    path: Path
    fingerprint: str

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; it counts once it is complete."""
        position = checkpoint.position
        name = f"epoch-{position.epoch:04d}-step-{position.step:06d}"
        partial = self.path / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for group in _GROUPS:
            arrays: Mapping[str, Array] = getattr(checkpoint, group)
            # Positional: names of arrays may be no valid names of members.
            np.savez(partial / f"{group}.npz", *arrays.values())
        state = {
            "fingerprint": self.fingerprint,
            **_described(checkpoint),
            "sha256": {f"{group}.npz": file_sha256(partial / f"{group}.npz") for group in _GROUPS},
        }
        (partial / _STATE).write_text(json.dumps(state), encoding="utf-8")
        final = self.path / name
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        for old in self._complete()[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self) -> Checkpoint | None:
        """Return the newest complete checkpoint of this training; None when there is none."""
        for directory in reversed(self._complete()):
            checkpoint = self._load(directory)
            if checkpoint is not None:
                return checkpoint
        return None

    def clear(self) -> None:
        """Remove all checkpoints."""
        for directory in self._complete():
            shutil.rmtree(directory, ignore_errors=True)

    def _complete(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.glob("epoch-*-step-*") if path.is_dir())

    def _load(self, directory: Path) -> Checkpoint | None:
        try:
            state = json.loads((directory / _STATE).read_text(encoding="utf-8"))
            if state["fingerprint"] != self.fingerprint:
                return None
            for name, checksum in state["sha256"].items():
                if file_sha256(directory / name) != checksum:
                    return None
            groups = {
                group: _read_arrays(directory / f"{group}.npz", state["names"][group])
                for group in _GROUPS
            }
            return _assembled(state, groups)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _read_arrays(path: Path, names: list[str]) -> Weights:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[f"arr_{index}"] for index, name in enumerate(names)}
