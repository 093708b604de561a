"""Decides whether a run may start, and with which datasets. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from retraining import names as run_names
from retraining.ledger_items import Dataset, Lock, Pause, Upload
from retraining.outcomes import DatasetState

# A dataset whose runs keep failing waits for a person: to upload it again, or to queue it again.
MOST_ATTEMPTS = 3
MOST_DATASETS_PER_RUN = 20
# Step Functions tells of a new execution a moment after it has started it.
MAY_STILL_APPEAR = timedelta(minutes=5)


class Action(StrEnum):
    """What to do about runs now."""

    START = "start"
    WAIT = "wait"
    PAUSED = "paused"
    ACTIVE = "active"
    IDLE = "idle"


@dataclass(frozen=True)
class Policy:
    """How much must wait before a run starts, and how long less than that waits at most."""

    min_new_lines: int = 1
    max_wait: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Decision:
    """What to do, for which datasets, and why in one sentence."""

    action: Action
    datasets: tuple[str, ...] = ()
    reason: str = ""


class LockState(StrEnum):
    """What a lock means, in the light of what Step Functions says about its execution."""

    ACTIVE = "active"
    ENDED = "ended"
    UNSTARTED = "unstarted"
    LOST = "lost"


@dataclass(frozen=True)
class _Waiting:
    """A dataset that calls for a run; ``lines`` is None where that is enough by itself."""

    name: str
    since: str
    lines: int | None


def examine(lock: Lock, now: datetime, *, exists: bool, ended: bool) -> LockState:
    """Tell what to make of the lock when its execution exists, or has ended, or is not there.

    An execution that was never seen is started again under its own name, which Step Functions
    grants once only: whoever else may be about to start it, there is one run. It is never given up,
    because nobody can tell a start that failed from one that is late.
    """
    if ended:
        return LockState.ENDED
    if exists:
        return LockState.ACTIVE
    if not lock.started_at:
        return LockState.UNSTARTED
    age = now - datetime.fromisoformat(lock.started_at)
    return LockState.ACTIVE if age < MAY_STILL_APPEAR else LockState.LOST


def decide(
    datasets: Sequence[Dataset],
    pending: Iterable[Upload],
    now: datetime,
    policy: Policy,
    *,
    pause: Pause | None = None,
) -> Decision:
    """Decide, while no run goes on, from the datasets, their unread uploads and the pause switch.

    Only news calls for a run. A dataset whose run has failed, or had too few lines to judge a model
    by, rides along with the next one; those with most lines to judge by first.
    """
    waiting = _waiting({each.name: each for each in datasets}, pending)
    if not waiting:
        return Decision(Action.IDLE, (), "Nothing new has arrived.")
    names = tuple(each.name for each in waiting)
    if pause:
        return Decision(Action.PAUSED, names, "Runs are paused.")
    lines = _sum(each.lines for each in waiting)
    deadline = datetime.fromisoformat(waiting[0].since) + policy.max_wait
    if lines is not None and lines < policy.min_new_lines and now < deadline:
        return Decision(
            Action.WAIT,
            names,
            f"{lines} of {policy.min_new_lines} new lines have arrived; "
            f"a run starts with fewer at {deadline:%Y-%m-%d %H:%M} UTC.",
        )
    riders = (
        each.name
        for each in sorted(datasets, key=lambda each: (-each.holdout_lines, each.name))
        if each.state == DatasetState.WAITING and each.attempts < MOST_ATTEMPTS
    )
    chosen = _fitting(dict.fromkeys([*names, *riders]))
    return Decision(Action.START, chosen, f"{len(chosen)} dataset(s) go into a run.")


def _fitting(datasets: Iterable[str]) -> tuple[str, ...]:
    """Take the first that a run can have: their names travel in one hyperparameter."""
    chosen: list[str] = []
    for each in datasets:
        length = len(run_names.dataset_ids([*chosen, each]))
        if len(chosen) == MOST_DATASETS_PER_RUN or length > run_names.LONGEST_HYPERPARAMETER:
            break
        chosen.append(each)
    return tuple(chosen)


def _waiting(known: Mapping[str, Dataset], pending: Iterable[Upload]) -> list[_Waiting]:
    """Tell the datasets that call for a run, oldest first."""
    uploads: dict[str, list[Upload]] = {}
    for each in pending:
        uploads.setdefault(each.dataset, []).append(each)
    called = [
        _Waiting(name, min(each.seen_at for each in found), _sum(each.new_lines for each in found))
        for name, found in uploads.items()
        if name not in known or known[name].has_news
    ]
    news = {each.name for each in called}
    queued = [
        _Waiting(each.name, each.queued_at, None)
        for each in known.values()
        if each.queued_at
        and each.name not in news
        and each.state == DatasetState.WAITING
        and each.attempts < MOST_ATTEMPTS
    ]
    return sorted([*called, *queued], key=lambda each: (each.since, each.name))


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add up; what was not counted makes the sum unknown, and is taken to be enough."""
    total = 0
    for each in counts:
        if each is None:
            return None
        total += each
    return total
