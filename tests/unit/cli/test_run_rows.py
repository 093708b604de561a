from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ocr_retrain.executions import Execution
from ocr_retrain.follow import Snapshot
from ocr_retrain.history import VisitStatus, read_history
from ocr_retrain.job_progress import JobProgress
from ocr_retrain.run_rows import Row, rows_of

from .fakes import DEPLOY, RUN, load_events

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

    Recorded = list[HistoryEventTypeDef]

NOW = datetime(2026, 11, 20, 9, 21, 3, tzinfo=UTC)


def _rows(
    history: Recorded,
    nested: Mapping[str, Recorded] | None = None,
    progress: Mapping[str, JobProgress] | None = None,
) -> dict[str, Row]:
    execution = Execution("arn", RUN, "RUNNING", NOW, None)
    snapshot = Snapshot(
        execution,
        read_history(history),
        {arn: read_history(recorded) for arn, recorded in (nested or {}).items()},
        progress or {},
    )
    return {row.state: row for row in rows_of(snapshot, NOW)}


def test_states_visited_again_are_one_row_with_summed_time() -> None:
    row = _rows(load_events("promoted"))["Validate datasets"]

    assert row.visits == 2
    assert 11 < row.seconds < 12


def test_running_training_shows_its_progress_and_attempt() -> None:
    progress = JobProgress(done=33, total=66, epoch=2, epochs=3, loss=1.5, images_per_second=81.2)
    job = f"ocr-retrain-{RUN}-train-d1"

    row = _rows(load_events("training"), progress={job: progress})["Fine-tune recognizer"]

    assert row.status is VisitStatus.RUNNING
    assert row.detail == "attempt 2, epoch 2/3, loss 1.500, 81 images/s"
    assert row.fraction == pytest.approx(1.5 / 3)
    assert row.has_work


def test_finished_training_keeps_the_last_numbers_without_a_bar() -> None:
    progress = JobProgress(done=66, total=66, epoch=3, epochs=3, loss=0.25, dev_exact_match=0.9)
    job = f"ocr-retrain-{RUN}-train-d1"

    row = _rows(load_events("promoted"), progress={job: progress})["Fine-tune recognizer"]

    assert row.detail == "3 epochs, loss 0.250, dev exact match 90.0 %"
    assert row.fraction is None


def test_retrying_state_says_why() -> None:
    recorded = load_events("training")
    failed = next(i for i, event in enumerate(recorded) if event["type"] == "TaskFailed")

    row = _rows(recorded[: failed + 1])["Fine-tune recognizer"]

    assert row.detail.startswith("attempt 1 failed, trying again: The account-level service limit")


def test_failed_job_shows_the_reason_inside_its_description() -> None:
    assert _rows(load_events("failed"))["Fine-tune recognizer"].detail == (
        "AlgorithmError: The labels use 3 characters that no image shows."
    )


def test_nested_states_follow_their_parent_one_level_deeper() -> None:
    rows = _rows(load_events("promoted"), nested={DEPLOY: load_events("deploying")})
    names = list(rows)

    assert rows["Deploy endpoint"].depth == 0
    assert rows["Update endpoint"].depth == 1
    assert names.index("Deploy endpoint") + 1 == names.index("Find latest approved")
    assert names.index("Is it in service?") + 1 == names.index("Announce result")
    assert rows["Wait for the endpoint"].visits == 3
