"""What must hold whatever happened, checked against what lies in the bucket and the ledger."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.chaos.truth import JUDGED, Execution, Truth, Version

from retraining.decision import MOST_ATTEMPTS

_ENDED_WELL = {"trained", "rejected"}


def check_always(truth: Truth) -> None:
    """Check what holds at any time."""
    history = _runs(truth)
    running = [each.name for each in history if each.status == "RUNNING"]
    assert len(running) <= 1, f"two runs overlap: {running}"
    assert len({each.name for each in history}) == len(history), "a run was started twice"
    for each in history:
        assert each.datasets, f"run {each.name} has no dataset"
        assert len(set(each.datasets)) == len(each.datasets), f"{each.name} has a dataset twice"
    for name in running:
        lock = truth.item("LOCK", "retrain")
        assert lock, f"run {name} goes on without a lock"
        assert lock["run_id"] == name, f"run {name} goes on under the lock of {lock['run_id']}"


def _runs(truth: Truth) -> list[Execution]:
    return [each for each in truth.history if not each.by_hand]


def check_at_rest(truth: Truth, *, unusable: frozenset[str] = frozenset()) -> None:
    """Check what holds when nothing more happens by itself."""
    check_always(truth)
    assert all(each.status != "RUNNING" for each in truth.history), "a run goes on for ever"
    assert truth.item("LOCK", "retrain") is None, "the lock is not free"
    assert not truth.undelivered, "messages are left in the queue"
    for body in truth.dead:
        # None of ours is invalid but those that are no event at all.
        assert not body.startswith("{"), f"a good event ended as a dead letter: {body}"
    _check_strays(truth)
    _check_plans(truth)
    _check_packages(truth)
    _check_sides(truth)
    _check_datasets(truth, unusable)


def waiting_for_a_person(truth: Truth) -> set[str]:
    """Tell the datasets whose runs failed: they ride along with the next run."""
    names = {each.dataset for each in truth.versions}
    return {name for name in names if _dataset(truth, name)["state"] == "waiting"}


def given_up(truth: Truth) -> set[str]:
    """Tell the datasets whose runs failed so often that no further run takes them along."""
    names = {each.dataset for each in truth.versions}
    return {name for name in names if _attempts(_dataset(truth, name)) >= MOST_ATTEMPTS}


def trained_in(truth: Truth, version: Version) -> list[str]:
    """Tell the runs that ended with a verdict and had a version's lines among their new ones."""
    return [
        each.name
        for each in truth.history
        if each.outcome in JUDGED and version.texts & _new_texts(truth, each.name)
    ]


def _new_texts(truth: Truth, run_id: str) -> set[str]:
    prefix = f"runs/{run_id}/"
    files = [f"{prefix}labels/train.txt", f"{prefix}labels/dev.txt"]
    files += truth.keys(f"{prefix}slices/new--")
    return {row.split("\t")[1] for key in files for row in truth.get(key).splitlines() if row}


def _dataset(truth: Truth, name: str) -> dict[str, Any]:
    found = truth.item("DATASET", name)
    assert found, f"the ledger does not know {name}"
    return found


def _attempts(item: dict[str, Any]) -> int:
    return int(item.get("attempts", 0))


def _check_strays(truth: Truth) -> None:
    """Who does not hold the lock neither plans nor trains."""
    for each in truth.history:
        if each.by_hand:
            assert each.status != "SUCCEEDED", f"{each.name} was let through"
            assert not truth.keys(f"runs/{each.name}/"), f"{each.name} worked beside a run"


def _check_plans(truth: Truth) -> None:
    for run in truth.history:
        key = f"runs/{run.name}/plan.json"
        if not truth.keys(key):
            assert run.outcome not in JUDGED, f"run {run.name} trained without a plan"
            continue
        plan = json.loads(truth.get(key))
        assert plan["train_lines"], f"the plan of run {run.name} is empty"
        assert set(plan["datasets"]) <= set(run.datasets), "a plan with datasets of another run"


def _check_packages(truth: Truth) -> None:
    runs = Counter(each.split(":")[0] for each in truth.packages if each.startswith("Run "))
    for run, count in runs.items():
        assert count == 1, f"{run} has {count} model packages"
    for each in truth.history:
        if each.outcome in JUDGED:
            assert runs[f"Run {each.name}"] == 1, f"run {each.name} has no model package"


def _check_sides(truth: Truth) -> None:
    """No image is trained on in one run and held out in another."""
    sides: dict[str, set[str]] = {"train": set(), "holdout": set()}
    for run in truth.history:
        for key in truth.keys(f"runs/{run.name}/datasets/"):
            side = key.rpartition("/")[2].removesuffix(".txt")
            if side in sides and run.outcome in JUDGED:
                sides[side] |= {row.split("\t")[0] for row in truth.get(key).splitlines()}
    both = sides["train"] & sides["holdout"]
    assert not both, f"images on both sides: {sorted(both)[:3]}"


def _check_datasets(truth: Truth, unusable: frozenset[str]) -> None:
    last = {each.dataset: each for each in truth.versions}
    for version in truth.versions:
        name, runs = version.dataset, trained_in(truth, version)
        assert len(runs) <= 1, f"version {version.number} of {name} was trained in {runs}"
        if version is last[name]:
            _check_state(_dataset(truth, name), name, runs, name in unusable)


def _check_state(found: dict[str, Any], name: str, runs: list[str], unusable: bool) -> None:
    state, reason = found["state"], found.get("reason", "")
    if unusable:
        assert state == "nothing_usable" or (state == "waiting" and reason), f"{name}: {found}"
        return
    if runs:
        assert state in _ENDED_WELL, f"{name} is {state} although {runs} had it: {reason}"
        assert found["run_id"] == runs[0], f"{name} tells of another run than {runs}"
        return
    assert state == "waiting", f"{name} is {state}, but no run had its last version: {reason}"
    assert reason, f"{name} waits without a reason"
    assert _attempts(found), f"{name} waits although none of its runs failed"
    if found.get("queued_at"):
        assert _attempts(found) >= MOST_ATTEMPTS, f"{name} is queued in vain"
