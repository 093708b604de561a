"""What the end of an execution means for its run and its datasets. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from retraining import failure


class DatasetState(StrEnum):
    """Where a dataset stands."""

    WAITING = "waiting"
    IN_RUN = "in_run"
    TRAINED = "trained"
    REJECTED = "rejected"
    NOTHING_USABLE = "nothing_usable"


NOTHING_TO_TRAIN = "Nothing to train"
WAITING_FOR_MORE = "Waiting for more data"
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
LOST = "Lost"

_BY_OUTCOME = {
    "Promoted": DatasetState.TRAINED,
    "Awaiting approval": DatasetState.TRAINED,
    "Rejected": DatasetState.REJECTED,
    NOTHING_TO_TRAIN: DatasetState.NOTHING_USABLE,
    WAITING_FOR_MORE: DatasetState.WAITING,
}
_BY_STATUS = {
    "FAILED": ("Failed", "The execution failed."),
    "TIMED_OUT": ("Timed out", "The execution took longer than its time limit."),
    "ABORTED": ("Aborted", "The execution was stopped by hand."),
}


@dataclass(frozen=True)
class Ended:
    """How an execution ended, as Step Functions tells it."""

    run_id: str
    status: str
    datasets: tuple[str, ...]
    output: Mapping[str, Any]
    error: str
    cause: str
    ended_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What to remember of the end of a run; ``again`` calls for another one with its datasets.

    ``failed`` counts against its datasets, which wait for a person after a few of them.
    """

    name: str
    dataset_state: DatasetState
    reason: str
    package_arn: str
    ended_at: datetime
    again: bool = False
    failed: bool = False


def judge_end(ended: Ended) -> Outcome:
    """Translate the end of an execution into the outcome of its run."""
    if ended.status == "SUCCEEDED":
        return _succeeded(ended)
    name, otherwise = _BY_STATUS[ended.status]
    told = failure.explain(ended.error, ended.cause).reason if ended.error or ended.cause else ""
    return Outcome(name, DatasetState.WAITING, told or otherwise, "", ended.ended_at, failed=True)


def lost(now: datetime) -> Outcome:
    """Tell the outcome of a run whose execution was there and is no longer known to anybody."""
    why = "Its execution is gone: it was deleted with its state machine, or has expired."
    return Outcome(LOST, DatasetState.WAITING, why, "", now, again=True, failed=True)


def _succeeded(ended: Ended) -> Outcome:
    name = str(ended.output.get("outcome", ""))
    reason = str(ended.output.get("reason", ""))
    state = _BY_OUTCOME.get(name)
    if state is None:
        why = reason or "The execution ended without saying what came of it."
        return Outcome(name or "Failed", DatasetState.WAITING, why, "", ended.ended_at, failed=True)
    return Outcome(name, state, reason, str(ended.output.get("package_arn") or ""), ended.ended_at)


def as_object(text: str | None) -> Mapping[str, Any]:
    """Read the input or output of an execution; anything but a JSON object counts as empty."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
