"""Following an execution: its own states, its nested executions and its jobs, until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocr_retrain.executions import (
    Execution,
    describe_execution,
    fetch_history,
    list_executions,
)
from ocr_retrain.history import History, Visit, VisitStatus, Work, WorkKind
from ocr_retrain.job_logs import JobLog
from ocr_retrain.job_progress import JobProgress

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud

_MAX_NESTING = 2


@dataclass(frozen=True)
class Snapshot:
    """What is known of an execution at one moment.

    ``nested`` has the histories of the executions it started, by ARN; ``progress`` how far its
    jobs are, by job name.
    """

    execution: Execution
    history: History
    nested: Mapping[str, History]
    progress: Mapping[str, JobProgress]


class Follower:
    """Looks at one execution again and again."""

    def __init__(self, cloud: Cloud, arn: str) -> None:
        """Prepare to follow ``arn``; nothing is asked before ``look``."""
        self._cloud = cloud
        self._arn = arn
        self._nested: dict[str, History] = {}
        self._logs: dict[Work, JobLog] = {}
        self._progress: dict[str, JobProgress] = {}
        self._finished: set[Work] = set()

    def look(self) -> Snapshot:
        """Return what is known now."""
        # Asked first: a status that says "over" then comes with the whole history.
        execution = describe_execution(self._cloud.stepfunctions, self._arn)
        history = fetch_history(self._cloud.stepfunctions, self._arn)
        self._look_at_works(history, depth=1)
        return Snapshot(execution, history, dict(self._nested), dict(self._progress))

    def _look_at_works(self, history: History, depth: int) -> None:
        for visit in history.visits:
            for work in visit.works:
                if work not in self._finished:
                    self._look_at_work(work, visit, depth)

    def _look_at_work(self, work: Work, visit: Visit, depth: int) -> None:
        if work.kind is WorkKind.EXECUTION:
            if depth <= _MAX_NESTING:
                nested = fetch_history(self._cloud.stepfunctions, work.name)
                self._nested[work.name] = nested
                self._look_at_works(nested, depth + 1)
        else:
            if work not in self._logs:
                self._logs[work] = JobLog(self._cloud.logs, work.kind, work.name)
            self._progress[work.name] = self._logs[work].progress()
        if visit.status in (VisitStatus.DONE, VisitStatus.FAILED):
            self._finished.add(work)


def follow(
    cloud: Cloud,
    arn: str,
    deadline: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Snapshot]:
    """Yield snapshots until the execution is over (the last one says so) or ``deadline``."""
    follower = Follower(cloud, arn)
    while True:
        snapshot = follower.look()
        yield snapshot
        if snapshot.execution.is_over or (deadline is not None and clock() >= deadline):
            return
        sleep(cloud.poll_seconds)


def known_executions(cloud: Cloud) -> frozenset[str]:
    """Return the ARNs of the Retrain executions there are now."""
    found = list_executions(cloud.stepfunctions, cloud.stack.retrain_state_machine)
    return frozenset(execution.arn for execution in found)


def next_execution(
    cloud: Cloud,
    known: frozenset[str],
    deadline: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Execution | None:
    """Wait for a Retrain execution that is not in ``known``; None when ``deadline`` comes first.

    Of several the oldest is returned: what comes next is what a person waits for.
    """
    while True:
        executions = list_executions(cloud.stepfunctions, cloud.stack.retrain_state_machine)
        new = [execution for execution in executions if execution.arn not in known]
        if new:
            return new[-1]
        if deadline is not None and clock() >= deadline:
            return None
        sleep(cloud.poll_seconds)
