"""Executions that do not hold the lock go no further."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from retraining.active_run import NotActiveRunError
from retraining.ledger import Ledger
from retraining.outcomes import DatasetState, Outcome

from .conftest import RUN, begin, drop, item

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
REQUEST = {"run_id": RUN, "datasets": ["meters"]}
FUNCTIONS = pytest.mark.parametrize("function", ["unpack_archives", "plan_training"])


@FUNCTIONS
def test_an_execution_started_by_hand_ends_and_says_what_to_do(
    invoke: Invoke, function: str
) -> None:
    drop("meters", 3)
    told = rf"{RUN} is not the active run: the ledger knows no active run.*ocr-retrain retry"
    with pytest.raises(NotActiveRunError, match=told):
        invoke(function, REQUEST)
    assert item("DATASET", "meters") is None


@FUNCTIONS
def test_beside_another_run_it_names_that_run(invoke: Invoke, function: str) -> None:
    begin("plates", run_id="20261122-101545-bbbbbb")
    with pytest.raises(NotActiveRunError, match="run 20261122-101545-bbbbbb is at work"):
        invoke(function, REQUEST)


@FUNCTIONS
def test_a_redriven_run_that_has_ended_ends_again(
    invoke: Invoke, ledger: Ledger, function: str
) -> None:
    begin("meters")
    failed = Outcome(
        "Failed", DatasetState.WAITING, "It broke.", "", datetime.now(UTC), failed=True
    )
    ledger.end_run(RUN, ["meters"], failed)
    ledger.release_lock(RUN)
    with pytest.raises(NotActiveRunError):
        invoke(function, REQUEST)


def test_the_holder_of_the_lock_goes_on(invoke: Invoke) -> None:
    drop("meters", 3)
    begin("meters")
    assert invoke("unpack_archives", REQUEST)["unfinished"] is False
