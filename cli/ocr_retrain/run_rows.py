"""From a snapshot to the rows a person reads: pure, shared by the live and the plain view."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ocr_retrain.follow import Snapshot
from ocr_retrain.history import History, Visit, VisitStatus, Work, WorkKind
from ocr_retrain.job_progress import JobProgress
from ocr_retrain.phrases import between, percent

_MAX_DETAIL = 100
# What SageMaker jobs, Lambda functions and nested executions call their reason.
_REASONS = ("FailureReason", "ExitMessage", "errorMessage", "Cause")


@dataclass(frozen=True)
class Row:
    """One state as a person sees it.

    ``path`` is the state's name after the names of the states that nest it; ``seconds`` sums all
    visits; ``fraction`` (0..1) and ``detail`` tell how far the state's job is, or what went wrong;
    ``has_work`` says that it started a job or an execution, and so will take a while.
    """

    path: tuple[str, ...]
    kind: str
    status: VisitStatus
    visits: int
    seconds: float
    detail: str = ""
    fraction: float | None = None
    has_work: bool = False

    @property
    def state(self) -> str:
        """The state's name, as the console shows it."""
        return self.path[-1]

    @property
    def depth(self) -> int:
        """0 for the run's own states, 1 for those of an execution it started, and so on."""
        return len(self.path) - 1

    @property
    def is_over(self) -> bool:
        """Whether the state was left."""
        return self.status in (VisitStatus.DONE, VisitStatus.FAILED)


def rows_of(snapshot: Snapshot, now: datetime) -> list[Row]:
    """Return one row per visited state in order of first visit, nested ones below their parent."""
    return list(_rows(snapshot.history, snapshot, now, parents=()))


def _rows(
    history: History, snapshot: Snapshot, now: datetime, parents: tuple[str, ...]
) -> Iterator[Row]:
    by_state: dict[str, list[Visit]] = {}
    for visit in history.visits:
        by_state.setdefault(visit.state, []).append(visit)
    for state, visits in by_state.items():
        path = (*parents, state)
        works = [work for visit in visits for work in visit.works]
        yield _with_work(_row(path, visits, now), works, snapshot)
        for nested in _nested(works, snapshot):
            yield from _rows(nested, snapshot, now, path)


def _row(path: tuple[str, ...], visits: list[Visit], now: datetime) -> Row:
    last = visits[-1]
    return Row(
        path=path,
        kind=last.kind,
        status=last.status,
        visits=len(visits),
        seconds=sum(between(visit.entered_at, visit.left_at or now) for visit in visits),
        detail=_trouble(last),
        has_work=any(visit.works for visit in visits),
    )


def _trouble(visit: Visit) -> str:
    if visit.status is VisitStatus.RETRYING:
        return f"attempt {visit.attempts} failed, trying again: {_short(visit)}"
    if visit.status is VisitStatus.FAILED and visit.error:
        return _short(visit)
    if visit.status is VisitStatus.RUNNING and visit.attempts > 1:
        return f"attempt {visit.attempts}"
    return ""


def _short(visit: Visit) -> str:
    line = " ".join((_reason_in(visit.cause) or visit.error).split())
    return line if len(line) <= _MAX_DETAIL else line[: _MAX_DETAIL - 1] + "…"


def _reason_in(cause: str) -> str:
    try:
        description = json.loads(cause)
    except ValueError:
        return cause
    if not isinstance(description, dict):
        return cause
    found = (description.get(name) for name in _REASONS)
    return next((str(reason) for reason in found if reason), "")


def _with_work(row: Row, works: list[Work], snapshot: Snapshot) -> Row:
    jobs = [work for work in works if work.kind is not WorkKind.EXECUTION]
    progress = snapshot.progress.get(jobs[-1].name) if jobs else None
    if progress is None or row.status in (VisitStatus.RETRYING, VisitStatus.FAILED):
        return row
    if row.status is VisitStatus.DONE:
        return replace(row, detail=_summary(progress))
    parts = [row.detail, _live(progress)]
    return replace(row, detail=", ".join(filter(None, parts)), fraction=progress.fraction)


def _live(progress: JobProgress) -> str:
    if progress.slice_name:
        return f"{progress.slice_name}, line {progress.done}/{progress.total}"
    if progress.note:
        return progress.note[:_MAX_DETAIL]
    if not progress.epochs:
        return ""
    stage = f"epoch {progress.epoch}/{progress.epochs}" if progress.epoch else "before training"
    return ", ".join([stage, *_numbers(progress)])


def _summary(progress: JobProgress) -> str:
    if progress.slice_name or not progress.epochs:
        return ""
    epochs = f"{progress.epochs} epochs" if progress.epochs > 1 else "1 epoch"
    return ", ".join([epochs, *_numbers(progress)])


def _numbers(progress: JobProgress) -> Iterator[str]:
    if progress.loss is not None:
        yield f"loss {progress.loss:.3f}"
    if progress.images_per_second is not None:
        yield f"{progress.images_per_second:.0f} images/s"
    if progress.dev_exact_match is not None:
        yield f"dev exact match {percent(progress.dev_exact_match)}"


def _nested(works: Iterable[Work], snapshot: Snapshot) -> Iterator[History]:
    for work in works:
        if work.kind is WorkKind.EXECUTION and work.name in snapshot.nested:
            yield snapshot.nested[work.name]
