from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocr_retrain.standings import Now, State, standing_of
from retraining.ledger_items import Dataset, Decided, Lock, Pause, Upload

RUN = "20261120-091402-3fa9c1"
NOBODY = Now(None, None, None)
LOCK = Lock(RUN, "arn", "2026", "2026")
PENDING = Upload("meters", "labels/train.txt", "e2", "e1", "2026", lines=30, taken_lines=20)


def dataset(state: str, **more: Any) -> Dataset:
    found = Dataset("meters", state, RUN, 0, 0, "", "", "", "", news=1, offered=1)
    return replace(found, **more)


@pytest.mark.parametrize(
    ("found", "now", "state", "reason"),
    [
        (dataset("in_run"), Now(LOCK, None, None), State.RECEIVING, "Its upload settles"),
        (
            dataset("in_run", missing=3),
            Now(LOCK, None, None),
            State.RECEIVING,
            "3 images are missing yet.",
        ),
        (dataset("in_run", train_lines=5), Now(LOCK, None, None), State.IN_RUN, ""),
        (
            dataset("in_run"),
            Now(replace(LOCK, problem="AccessDenied"), None, None),
            State.WAITING,
            f"Run {RUN} could not be started yet: AccessDenied",
        ),
        (
            dataset("waiting", attempts=1, reason="It broke."),
            NOBODY,
            State.WAITING,
            "It broke. Goes along with the next run; `ocr-retrain retry` starts one.",
        ),
        (
            dataset("waiting", attempts=3, reason="It broke."),
            NOBODY,
            State.WAITING,
            "It broke. Given up after 3 failed runs; `ocr-retrain retry` tries again.",
        ),
        (dataset("waiting", queued_at="2026"), NOBODY, State.WAITING, "A run is about to start."),
        (dataset("trained"), NOBODY, State.TRAINED, ""),
        (
            dataset("trained", last_seen_same_at="2026-11-22T10:15:45.000+00:00"),
            NOBODY,
            State.TRAINED,
            "The same content came again at 2026-11-22 10:15 UTC: nothing to start.",
        ),
        (dataset("rejected", reason="Worse."), NOBODY, State.REJECTED, "Worse."),
        (
            dataset("nothing_usable", reason="All empty."),
            NOBODY,
            State.REJECTED,
            "All empty.",
        ),
        (dataset(""), NOBODY, State.RECEIVING, ""),
    ],
)
def test_a_dataset_s_standing_is_told_with_its_reason(
    found: Dataset, now: Now, state: State, reason: str
) -> None:
    told = standing_of(found, [], now)
    assert told.state is state
    assert told.reason.startswith(reason)
    assert told.reason or not reason


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (NOBODY, "A run is about to start."),
        (Now(LOCK, None, None), f"Run {RUN} goes on; the next one takes it."),
        (
            Now(None, Pause("2026", "anna", ""), None),
            "Runs are paused; `ocr-retrain resume` lets them begin.",
        ),
        (
            Now(None, None, Decided("wait", "10 of 50 new lines.", ("meters",), "", "2026")),
            "10 of 50 new lines.",
        ),
        (
            Now(None, None, Decided("wait", "10 of 50 new lines.", ("plates",), "", "2026")),
            "A run is about to start.",
        ),
    ],
)
def test_a_new_version_of_a_trained_dataset_waits(now: Now, reason: str) -> None:
    told = standing_of(dataset("trained", news=2), [PENDING], now)
    assert (told.state, told.reason) == (State.WAITING, reason)
    assert told.new_lines == 10


def test_lines_that_nobody_counted_are_unknown() -> None:
    uploads = [PENDING, replace(PENDING, relative="drop.zip", lines=None)]
    assert standing_of(dataset("waiting"), uploads, NOBODY).new_lines is None


def test_the_model_is_known_by_its_version() -> None:
    trained = dataset("trained", package_arn="arn:aws:sagemaker:x:1:model-package/g/7")
    assert standing_of(trained, [], NOBODY).version == 7
    assert standing_of(dataset("trained"), [], NOBODY).version is None
