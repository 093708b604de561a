"""Uploads that no event has told of are found, a bounded part of the bucket at a time."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from retraining import search
from retraining.ledger import Ledger
from retraining.search import Search

from .conftest import BUCKET, client, drop, event, item, png, put

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]


def always() -> bool:
    return True


@pytest.fixture
def looking(clients: ModuleType) -> Search:
    found: Search = clients.search()
    return found


def names(ledger: Ledger) -> list[str]:
    return [f"{each.dataset}/{each.relative}" for each in ledger.pending_uploads()]


def test_the_schedule_starts_a_run_for_an_upload_that_nobody_announced(invoke: Invoke) -> None:
    drop("meters", 3)
    invoke("start_retraining", event("scheduled.json"))
    lock = item("LOCK", "retrain")
    assert lock is not None
    run = item("RUN", lock["run_id"])
    assert run is not None
    assert run["datasets"] == ["meters"]


def test_label_files_and_archives_are_found_whatever_their_names(
    looking: Search, ledger: Ledger
) -> None:
    uploads = ["a/labels/train.txt", "b/Labels.Txt", "c/week.ZIP", "d/deep/er/rec_gt.txt"]
    for each in (*uploads, "a/images/1.png", "e/only.png", "loose.txt", "f/../g.txt"):
        put(f"incoming/{each}", each)
    assert looking.go_on(always) == len(uploads)
    assert names(ledger) == uploads


def test_what_is_known_is_not_recorded_again_and_a_new_version_is(
    looking: Search, ledger: Ledger
) -> None:
    put("incoming/meters/labels/train.txt", "one")
    assert looking.go_on(always) == 1
    before = ledger.datasets()
    assert looking.go_on(always) == 0
    assert ledger.datasets() == before
    put("incoming/meters/labels/train.txt", "two")
    assert looking.go_on(always) == 1


def test_each_call_looks_at_a_bounded_part_and_all_calls_at_everything(
    looking: Search, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        put(f"incoming/{number:02}/images/1.png", png(number))
        put(f"incoming/{number:02}/labels/train.txt", "x")
    monkeypatch.setattr(search, "MOST_LISTINGS", 2)
    pages = looking.bucket._pages
    monkeypatch.setattr(
        looking.bucket, "_pages", lambda **more: pages(**more, PaginationConfig={"PageSize": 10})
    )
    assert [looking.go_on(always) for _ in range(3)] == [10, 10, 10]
    assert len(names(ledger)) == 30
    # The last part ended with the bucket, so the search begins anew.
    assert ledger.searched_up_to() == ""
    put("incoming/00/labels/train.txt", "y")
    assert looking.go_on(always) == 1


def test_out_of_time_it_goes_on_there_with_the_next_call(looking: Search, ledger: Ledger) -> None:
    for number in range(5):
        put(f"incoming/{number}/labels/train.txt", "x")
    moments = iter([True, True])
    assert looking.go_on(lambda: next(moments, False)) == 2
    assert looking.go_on(always) == 3
    assert len(names(ledger)) == 5


def test_an_object_deleted_meanwhile_is_passed_over(
    looking: Search, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("incoming/meters/labels/train.txt", "x")
    head = looking.bucket.head

    def too_late(key: str) -> object:
        client("s3").delete_object(Bucket=BUCKET, Key=key)
        return head(key)

    monkeypatch.setattr(looking.bucket, "head", too_late)
    assert replace(looking).go_on(always) == 0
    assert names(ledger) == []
