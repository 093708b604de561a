"""The rule that starts runs: pure, on datasets and uploads as the ledger tells them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from retraining import names as run_names
from retraining.decision import Action, LockState, Policy, decide, examine
from retraining.ledger_items import Dataset, Lock, Pause, Upload, iso

from .conftest import NOW, RUN

HOUR = Policy(min_new_lines=100, max_wait=timedelta(hours=1))


def dataset(name: str, state: str = "waiting", **more: Any) -> Dataset:
    found = Dataset(name, state, "", 0, 0, "", "", "", "", news=1, offered=0)
    return replace(found, **more)


def upload(name: str, minutes: float = 0, lines: int | None = 10, **more: Any) -> Upload:
    seen_at = iso(NOW - timedelta(minutes=minutes))
    found = Upload(name, "labels/train.txt", "e", "", seen_at, lines=lines)
    return replace(found, **more)


def test_nothing_pending_is_idle() -> None:
    assert decide([dataset("a")], [], NOW, Policy()).action is Action.IDLE


def test_one_line_starts_a_run_by_default() -> None:
    done = decide([dataset("a")], [upload("a", lines=1)], NOW, Policy())
    assert (done.action, done.datasets) == (Action.START, ("a",))


def test_the_oldest_come_first_and_those_that_failed_ride_along() -> None:
    known = [
        dataset("failed", offered=1, attempts=1),
        dataset("new"),
        dataset("old"),
        dataset("given-up", offered=1, attempts=3),
        dataset("trained", "trained", offered=1),
    ]
    done = decide(known, [upload("new", 1), upload("old", 5)], NOW, Policy())
    assert done.datasets == ("old", "new", "failed")


def test_of_many_that_wait_those_with_most_to_judge_by_ride_first() -> None:
    few = [dataset(f"few-{number:02}", offered=1, holdout_lines=1) for number in range(30)]
    many = dataset("many", offered=1, holdout_lines=15)
    done = decide([dataset("new"), *few, many], [upload("new")], NOW, Policy())
    assert done.datasets[:2] == ("new", "many")


def test_a_failed_dataset_calls_for_no_run_by_itself() -> None:
    failed = dataset("a", offered=1, attempts=1)
    assert decide([failed], [upload("a")], NOW, Policy()).action is Action.IDLE


def test_a_dataset_that_the_ledger_does_not_know_yet_counts() -> None:
    assert decide([], [upload("a")], NOW, Policy()).datasets == ("a",)


def test_lines_of_all_datasets_count_together() -> None:
    known = [dataset("a"), dataset("b")]
    few = [upload("a", lines=60), upload("b", lines=39)]
    done = decide(known, few, NOW, HOUR)
    assert done.action is Action.WAIT
    assert done.reason == (
        "99 of 100 new lines have arrived; a run starts with fewer at 2026-11-22 11:15 UTC."
    )
    enough = [upload("a", lines=60), upload("b", lines=40)]
    assert decide(known, enough, NOW, HOUR).action is Action.START


def test_few_lines_wait_no_longer_than_the_limit() -> None:
    known = [dataset("a"), dataset("b")]
    pending = [upload("a", 60, lines=1), upload("b", lines=1)]
    assert decide(known, pending, NOW, HOUR).datasets == ("a", "b")


def test_a_grown_file_counts_its_growth_and_a_corrected_one_all_its_lines() -> None:
    assert upload("a", lines=1010, taken_lines=1000).new_lines == 10
    assert upload("a", lines=1000, taken_lines=1000).new_lines == 1000


@pytest.mark.parametrize("more", [{"relative": "drop.zip"}, {}])
def test_what_was_not_counted_is_enough(more: dict[str, str]) -> None:
    done = decide([dataset("a")], [upload("a", lines=None, **more)], NOW, HOUR)
    assert done.action is Action.START


def test_a_dataset_queued_by_hand_is_enough_without_an_upload() -> None:
    queued = dataset("a", offered=1, queued_at=iso(NOW))
    assert decide([queued], [], NOW, HOUR).datasets == ("a",)


def test_a_queued_dataset_that_failed_too_often_is_given_up() -> None:
    queued = dataset("a", offered=1, queued_at=iso(NOW), attempts=3)
    assert decide([queued], [], NOW, HOUR).action is Action.IDLE


def test_a_pause_holds_back_what_would_start() -> None:
    pause = Pause(iso(NOW), "anna", "")
    done = decide([dataset("a")], [upload("a")], NOW, Policy(), pause=pause)
    assert (done.action, done.datasets) == (Action.PAUSED, ("a",))


def test_a_run_takes_so_many_datasets_as_its_hyperparameter_can_name() -> None:
    names = [f"d{number:02}" for number in range(25)]
    done = decide([dataset(each) for each in names], map(upload, names), NOW, Policy())
    assert len(done.datasets) == 20


def test_few_datasets_with_the_longest_names_are_enough_for_a_hyperparameter() -> None:
    names = [f"{number:02}" + '"' * 98 for number in range(25)]
    done = decide([dataset(each) for each in names], map(upload, names), NOW, Policy())
    assert done.datasets == tuple(names[:12])
    assert len(run_names.dataset_ids(done.datasets)) <= 2_500
    assert len(run_names.dataset_ids(names[:13])) > 2_500


@pytest.mark.parametrize(
    ("started", "exists", "ended", "state"),
    [
        (0, True, False, LockState.ACTIVE),
        (0, True, True, LockState.ENDED),
        (None, True, False, LockState.ACTIVE),
        (None, False, False, LockState.UNSTARTED),
        (299, False, False, LockState.ACTIVE),
        (300, False, False, LockState.LOST),
    ],
)
def test_a_lock_means_what_its_execution_bears_out(
    started: float | None, exists: bool, ended: bool, state: LockState
) -> None:
    since = "" if started is None else iso(NOW - timedelta(seconds=started))
    lock = Lock(RUN, "arn", iso(NOW - timedelta(days=1)), since)
    assert examine(lock, NOW, exists=exists, ended=ended) is state
