"""Where a dataset stands, in words: pure, from what the ledger remembers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from retraining.decision import MOST_ATTEMPTS, Action
from retraining.ledger_items import Dataset, Decided, Lock, Pause, Upload
from retraining.outcomes import DatasetState


class State(StrEnum):
    """The states that people are told."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    IN_RUN = "in run"
    TRAINED = "trained"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Now:
    """What concerns all datasets: the active run, the pause switch, the last decision."""

    lock: Lock | None
    pause: Pause | None
    decided: Decided | None


@dataclass(frozen=True)
class Standing:
    """One dataset, its uploads, and where it stands for which reason."""

    dataset: Dataset
    uploads: tuple[Upload, ...]
    state: State
    reason: str

    @property
    def new_lines(self) -> int | None:
        """Lines that no run has read yet; None when nobody counted them."""
        pending = [each.new_lines for each in self.uploads if each.pending]
        counted = [each for each in pending if each is not None]
        return sum(counted) if len(counted) == len(pending) else None

    @property
    def version(self) -> int | None:
        """The version of the model that was trained with it last."""
        number = self.dataset.package_arn.rpartition("/")[2]
        return int(number) if number.isdecimal() else None


def standing_of(dataset: Dataset, uploads: Iterable[Upload], now: Now) -> Standing:
    """Say where a dataset stands."""
    known = tuple(uploads)
    state, reason = _state(dataset, known, now)
    return Standing(dataset, known, state, reason)


def _state(dataset: Dataset, uploads: tuple[Upload, ...], now: Now) -> tuple[State, str]:
    if dataset.state == DatasetState.IN_RUN:
        return _in_run(dataset, now)
    called = dataset.has_news and any(each.pending for each in uploads)
    if called or (dataset.queued_at and dataset.attempts < MOST_ATTEMPTS):
        return State.WAITING, _what_for(dataset, now)
    if dataset.state == DatasetState.WAITING:
        return State.WAITING, _after_failure(dataset)
    if dataset.state == DatasetState.TRAINED:
        return State.TRAINED, _same_again(dataset)
    if dataset.state in (DatasetState.REJECTED, DatasetState.NOTHING_USABLE):
        return State.REJECTED, " ".join(filter(None, [dataset.reason, _same_again(dataset)]))
    return State.RECEIVING, ""


def _in_run(dataset: Dataset, now: Now) -> tuple[State, str]:
    lock = now.lock
    if lock and lock.run_id == dataset.run_id and lock.problem:
        return State.WAITING, f"Run {lock.run_id} could not be started yet: {lock.problem}"
    if dataset.missing:
        are = "image is" if dataset.missing == 1 else "images are"
        return State.RECEIVING, f"{dataset.missing} {are} missing yet."
    if not dataset.train_lines:
        return State.RECEIVING, "Its upload settles and is checked."
    return State.IN_RUN, ""


def _what_for(dataset: Dataset, now: Now) -> str:
    if now.lock:
        return f"Run {now.lock.run_id} goes on; the next one takes it."
    if now.pause:
        return "Runs are paused; `ocr-retrain resume` lets them begin."
    decided = now.decided
    if decided and decided.action == Action.WAIT and decided.is_about(dataset.name):
        return decided.reason
    return "A run is about to start."


def _after_failure(dataset: Dataset) -> str:
    if dataset.attempts >= MOST_ATTEMPTS:
        told = f"Given up after {dataset.attempts} failed runs; `ocr-retrain retry` tries again."
    else:
        told = "Goes along with the next run"
        # Where nothing failed, another run alone would end the same way.
        told += "; `ocr-retrain retry` starts one." if dataset.attempts else "."
    return f"{dataset.reason} {told}".strip()


def _same_again(dataset: Dataset) -> str:
    when = dataset.last_seen_same_at
    if not when:
        return ""
    return f"The same content came again at {when[:16].replace('T', ' ')} UTC: nothing to start."
