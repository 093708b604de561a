"""From the events of an execution to what happened in it: pure, without AWS.

Step Functions tells an execution as a list of events. Here it becomes a list of visits: which
state, from when to when, with how many attempts, what job or nested execution it started, and the
error it met.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

_ENTERED = "StateEntered"
_EXITED = "StateExited"
_ATTEMPT_BEGINS = ("TaskScheduled", "LambdaFunctionScheduled", "ActivityScheduled")
_ATTEMPT_FAILS = ("Failed", "TimedOut")
_EXECUTION_ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}


class WorkKind(StrEnum):
    """What a state can start elsewhere and wait for."""

    TRAINING = "training"
    EVALUATION = "evaluation"
    EXECUTION = "execution"


@dataclass(frozen=True)
class Work:
    """A job (by name) or a nested execution (by ARN) that a state started."""

    kind: WorkKind
    name: str


class VisitStatus(StrEnum):
    """How a visit to a state stands."""

    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Visit:
    """One visit of an execution to one of its states.

    ``kind`` is the state's type (``Task``, ``Choice``, ``Wait``, ...), ``attempts`` counts the
    task's attempts (0 for states without a task), ``error`` and ``cause`` belong to the last
    failed attempt and stay when the state caught them.
    """

    state: str
    kind: str
    entered_at: datetime
    left_at: datetime | None
    status: VisitStatus
    attempts: int
    error: str
    cause: str
    works: tuple[Work, ...]


@dataclass(frozen=True)
class History:
    """What is known of one execution: its status as DescribeExecution names it, its visits."""

    status: str
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    cause: str
    visits: tuple[Visit, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status != "RUNNING"


@dataclass
class _OpenVisit:
    state: str
    kind: str
    entered_at: datetime
    left_at: datetime | None = None
    attempts: int = 0
    attempt_failed: bool = False
    error: str = ""
    cause: str = ""
    works: list[Work] = field(default_factory=list)


def read_history(events: Iterable[HistoryEventTypeDef]) -> History:
    """Reduce the events of GetExecutionHistory, oldest first, to a History."""
    reader = _Reader()
    for event in events:
        reader.read(event)
    return reader.result()


class _Reader:
    def __init__(self) -> None:
        self._visits: list[_OpenVisit] = []
        self._visit_of_event: dict[int, _OpenVisit] = {}
        self._status = "RUNNING"
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._error = ""
        self._cause = ""

    def read(self, event: HistoryEventTypeDef) -> None:
        kind: str = event["type"]
        if kind == "ExecutionStarted":
            self._started_at = event["timestamp"]
        elif kind in _EXECUTION_ENDS:
            self._end(kind, event)
        elif kind.endswith(_ENTERED):
            self._enter(kind, event)
        elif kind.endswith(_EXITED):
            self._leave(event)
        else:
            self._attempt(kind, event)

    def result(self) -> History:
        return History(
            status=self._status,
            started_at=self._started_at,
            ended_at=self._ended_at,
            error=self._error,
            cause=self._cause,
            visits=tuple(self._close(visit) for visit in self._visits),
        )

    def _end(self, kind: str, event: HistoryEventTypeDef) -> None:
        self._status = _EXECUTION_ENDS[kind]
        self._ended_at = event["timestamp"]
        details = _details(event)
        self._error = _text(details, "error")
        self._cause = _text(details, "cause")

    def _enter(self, kind: str, event: HistoryEventTypeDef) -> None:
        visit = _OpenVisit(
            state=_text(_details(event), "name"),
            kind=kind.removesuffix(_ENTERED),
            entered_at=event["timestamp"],
        )
        self._visits.append(visit)
        self._visit_of_event[event["id"]] = visit

    def _leave(self, event: HistoryEventTypeDef) -> None:
        name = _text(_details(event), "name")
        for visit in reversed(self._visits):
            if visit.state == name and visit.left_at is None:
                visit.left_at = event["timestamp"]
                return

    def _attempt(self, kind: str, event: HistoryEventTypeDef) -> None:
        # Branches of a Parallel state interleave: an event belongs to its predecessor's visit.
        visit = self._visit_of_event.get(event.get("previousEventId", 0))
        if visit is None:
            return
        self._visit_of_event[event["id"]] = visit
        details = _details(event)
        if kind in _ATTEMPT_BEGINS:
            visit.attempts += 1
            visit.attempt_failed = False
        elif kind.endswith(_ATTEMPT_FAILS):
            visit.attempt_failed = True
            visit.error = _text(details, "error")
            visit.cause = _text(details, "cause")
        work = _work_started(kind, details)
        if work is not None and work not in visit.works:
            visit.works.append(work)

    def _close(self, visit: _OpenVisit) -> Visit:
        return Visit(
            state=visit.state,
            kind=visit.kind,
            entered_at=visit.entered_at,
            left_at=visit.left_at or self._ended_at,
            status=self._status_of(visit),
            attempts=visit.attempts,
            error=visit.error,
            cause=visit.cause,
            works=tuple(visit.works),
        )

    def _status_of(self, visit: _OpenVisit) -> VisitStatus:
        if visit.left_at is not None:
            return VisitStatus.FAILED if visit.attempt_failed else VisitStatus.DONE
        if self._status == "RUNNING":
            return VisitStatus.RETRYING if visit.attempt_failed else VisitStatus.RUNNING
        return VisitStatus.DONE if self._status == "SUCCEEDED" else VisitStatus.FAILED


def _details(event: HistoryEventTypeDef) -> Mapping[str, object]:
    for name, value in event.items():
        if name.endswith("EventDetails") and isinstance(value, Mapping):
            return value
    return {}


def _text(details: Mapping[str, object], name: str) -> str:
    value = details.get(name)
    return value if isinstance(value, str) else ""


def _work_started(kind: str, details: Mapping[str, object]) -> Work | None:
    resource = f"{_text(details, 'resourceType')}:{_text(details, 'resource')}"
    if kind == "TaskScheduled":
        parameters = _json_object(_text(details, "parameters"))
        if resource.startswith("sagemaker:createTrainingJob"):
            return _named(WorkKind.TRAINING, parameters.get("TrainingJobName"))
        if resource.startswith("sagemaker:createProcessingJob"):
            return _named(WorkKind.EVALUATION, parameters.get("ProcessingJobName"))
    if kind == "TaskSubmitted" and resource.startswith("states:startExecution"):
        output = _json_object(_text(details, "output"))
        return _named(WorkKind.EXECUTION, output.get("ExecutionArn") or output.get("executionArn"))
    return None


def _named(kind: WorkKind, name: object) -> Work | None:
    return Work(kind, name) if isinstance(name, str) and name else None


def _json_object(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
