"""Checkpoints: the newest complete one of this training, and no other."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetuning.checkpoints import Checkpoint, CheckpointDirectory, Position
from finetuning.progress import EpochRecord


def checkpoint(epoch: int, step: int) -> Checkpoint:
    return Checkpoint(
        position=Position(epoch, step, 0.5),
        schedule={"last_epoch": 3.0, "last_lr": 1e-4},
        weights={"head.fc.weight": np.full((2, 2), epoch, dtype=np.float32)},
        optimizer={"moment/1": np.ones(3, dtype=np.float32)},
        best={},
        history=(EpochRecord(1, 0.3, 1e-4, 0.9, None, 80.0, 1.5),),
    )


def test_the_newest_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    directory = CheckpointDirectory(tmp_path, "this")
    directory.save(checkpoint(0, 20))
    directory.save(checkpoint(1, 0))

    latest = directory.latest()

    assert latest is not None
    assert latest.position == Position(1, 0, 0.5)
    assert latest.schedule == {"last_epoch": 3.0, "last_lr": 1e-4}
    np.testing.assert_array_equal(latest.weights["head.fc.weight"], np.ones((2, 2)))
    np.testing.assert_array_equal(latest.optimizer["moment/1"], np.ones(3))
    assert latest.best == {}
    assert latest.history == checkpoint(1, 0).history


def test_old_checkpoints_are_removed(tmp_path: Path) -> None:
    directory = CheckpointDirectory(tmp_path, "this")
    for step in range(5):
        directory.save(checkpoint(0, step))

    assert [path.name[-1] for path in sorted(tmp_path.iterdir())] == ["3", "4"]


@pytest.mark.parametrize("broken", ["weights.npz", "optimizer.npz", "state.json"])
def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path, broken: str) -> None:
    directory = CheckpointDirectory(tmp_path, "this")
    directory.save(checkpoint(0, 10))
    directory.save(checkpoint(0, 20))
    file = tmp_path / "epoch-0000-step-000020" / broken
    file.write_bytes(file.read_bytes()[:-10])

    latest = directory.latest()

    assert latest is not None
    assert latest.position.step == 10


def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path) -> None:
    CheckpointDirectory(tmp_path, "other").save(checkpoint(0, 10))

    assert CheckpointDirectory(tmp_path, "this").latest() is None


def test_arrays_are_read_without_running_code(tmp_path: Path) -> None:
    directory = CheckpointDirectory(tmp_path, "this")
    directory.save(checkpoint(0, 10))
    saved = tmp_path / "epoch-0000-step-000010"
    np.savez(saved / "weights.npz", np.array([{"an": "object"}], dtype=object))
    state = json.loads((saved / "state.json").read_text())
    del state["sha256"]["weights.npz"]
    (saved / "state.json").write_text(json.dumps(state))

    assert directory.latest() is None


def test_there_is_none_at_the_start(tmp_path: Path) -> None:
    assert CheckpointDirectory(tmp_path / "absent", "this").latest() is None
