"""The campaign's own judgement: what is broken is found."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.chaos import invariants
from tests.chaos.truth import Execution, Version

METERS = Version("meters", 1, frozenset({"101"}))
RUN = Execution("r1", "SUCCEEDED", ("meters",), "Promoted")
WAITING = {"state": "waiting", "reason": "It broke.", "attempts": 1}


@dataclass
class Told:
    """One upload that one run trained on, as it should be."""

    versions: list[Version] = field(default_factory=lambda: [METERS])
    history: list[Execution] = field(default_factory=lambda: [RUN])
    packages: list[str] = field(default_factory=lambda: ["the base model", "Run r1: better"])
    undelivered: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    lock: dict[str, Any] | None = None
    dataset: dict[str, Any] = field(default_factory=lambda: {"state": "trained", "run_id": "r1"})
    objects: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.history:
            prefix = f"runs/{each.name}"
            if each.outcome in {"Promoted", "Rejected"}:
                plan = {"train_lines": 1, "datasets": ["meters"]}
                self.objects.setdefault(f"{prefix}/plan.json", json.dumps(plan))
                self.objects.setdefault(f"{prefix}/labels/train.txt", "a.png\t101\n")
                self.objects.setdefault(f"{prefix}/labels/dev.txt", "")
                self.objects.setdefault(f"{prefix}/datasets/meters/train.txt", "a.png\t101\n")

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        return self.lock if pk == "LOCK" else self.dataset

    def keys(self, prefix: str) -> list[str]:
        return [each for each in self.objects if each.startswith(prefix)]

    def get(self, key: str) -> str:
        return self.objects[key]


def test_one_upload_trained_in_one_run_holds() -> None:
    invariants.check_at_rest(Told())


def test_a_dataset_that_waits_after_a_failed_run_holds() -> None:
    failed = Execution("r1", "FAILED", ("meters",), "")
    invariants.check_at_rest(Told(history=[failed], packages=[], dataset=dict(WAITING)))


def test_two_runs_at_once_are_found() -> None:
    going = [Execution(name, "RUNNING", ("meters",), "") for name in ("r1", "r2")]
    with pytest.raises(AssertionError, match="two runs overlap"):
        invariants.check_always(Told(history=going))


def test_a_run_under_the_lock_of_another_is_found() -> None:
    going = Execution("r2", "RUNNING", ("meters",), "")
    with pytest.raises(AssertionError, match="without a lock"):
        invariants.check_always(Told(history=[going]))
    with pytest.raises(AssertionError, match="under the lock of r1"):
        invariants.check_always(Told(history=[going], lock={"run_id": "r1"}))


TWICE = [RUN, Execution("r2", "SUCCEEDED", ("meters",), "Rejected")]
BOTH = ["Run r1: better", "Run r2: worse"]
EMPTY = json.dumps({"train_lines": 0, "datasets": ["meters"]})
HELD_OUT = {"runs/r1/datasets/meters/holdout.txt": "a.png\t101\n"}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (Told(lock={"run_id": "r1"}), "the lock is not free"),
        (Told(undelivered=["{}"]), "messages are left"),
        (Told(dead=['{"detail-type": "Object Created"}']), "a good event ended as a dead letter"),
        (Told(history=TWICE, packages=BOTH), "trained in"),
        (Told(history=[Execution("r1", "SUCCEEDED", (), "Promoted")]), "has no dataset"),
        (Told(objects={"runs/r1/plan.json": EMPTY}), "the plan of run r1 is empty"),
        (Told(packages=[]), "has no model package"),
        (Told(packages=["Run r1: better", "Run r1: better"]), "2 model packages"),
        (Told(objects=HELD_OUT), "images on both sides"),
        (Told(dataset={"state": "in_run", "run_id": "r1"}), "is in_run although"),
        (Told(dataset=dict(WAITING)), "is waiting although"),
        (Told(history=[], packages=[]), "no run had its last version"),
        (Told(history=[], packages=[], dataset={"state": "waiting"}), "without a reason"),
        (
            Told(history=[], packages=[], dataset={"state": "waiting", "reason": "Why."}),
            "although none of its runs failed",
        ),
        (
            Told(history=[], packages=[], dataset={**WAITING, "queued_at": "2026"}),
            "queued in vain",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_is_broken_at_rest_is_found(told: Told, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        invariants.check_at_rest(told)


def test_an_invalid_event_among_the_dead_letters_holds() -> None:
    invariants.check_at_rest(Told(dead=["this is no event"]))


def test_an_execution_started_by_hand_that_was_let_through_is_found() -> None:
    stray = Execution("by-hand-1", "SUCCEEDED", ("meters",), "Nothing to train")
    with pytest.raises(AssertionError, match="was let through"):
        invariants.check_at_rest(Told(history=[RUN, stray]))


def test_an_execution_started_by_hand_that_worked_is_found() -> None:
    stray = Execution("by-hand-1", "FAILED", ("meters",), "")
    objects = {"runs/by-hand-1/validation.json": "{}"}
    with pytest.raises(AssertionError, match="worked beside a run"):
        invariants.check_at_rest(Told(history=[RUN, stray], objects=objects))


def test_an_execution_started_by_hand_that_ended_at_once_holds() -> None:
    stray = Execution("by-hand-1", "FAILED", ("meters",), "")
    invariants.check_at_rest(Told(history=[RUN, stray]))
