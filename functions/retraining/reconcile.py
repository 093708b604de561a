"""Brings the ledger and the state machine to agree: one run at a time, nothing lost.

Level-triggered: it looks at what is, not at what an event says has changed, so it may be called
at any time and as often as one likes. Killed after any of its calls, it goes on where it was when
it is called again: a run that was begun is started under its own name, never given up.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from retraining import names
from retraining.decision import Action, Decision, LockState, Policy, decide, examine
from retraining.executions import Described, Executions
from retraining.ledger import ContendedError, Ledger
from retraining.ledger_items import Dataset, Decided, Lock, Pause, Run, Upload, iso
from retraining.outcomes import DatasetState, Ended, Outcome, judge_end, lost
from retraining.pipeline_executions import PipelineExecutions

Counter = Callable[[Iterable[Upload]], Iterable[tuple[Upload, int]]]
# Each round after the first answers to what another function, or an ended run, has changed.
_MOST_ROUNDS = 5
_LONGEST_PROBLEM = 500


@dataclass(frozen=True)
class Reconciliation:
    """What was done: ``started``; or ``wait``, ``paused``, ``active``, ``idle``, ``left``: why."""

    action: str
    run_id: str = ""
    datasets: tuple[str, ...] = ()
    reason: str = ""

    def as_log(self) -> dict[str, str]:
        """Give what the log tells of it."""
        return {"action": self.action, "run_id": self.run_id, "reason": self.reason}


def _count_nothing(uploads: Iterable[Upload]) -> Iterator[tuple[Upload, int]]:
    return iter(())


@dataclass(frozen=True)
class Reconciler:
    """The rule, with what it works on."""

    ledger: Ledger
    executions: Executions
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    token: Callable[[], str] = lambda: secrets.token_hex(3)
    policy: Policy = field(default_factory=Policy)
    count_lines: Counter = _count_nothing
    pipelines: PipelineExecutions | None = None

    def reconcile(self) -> Reconciliation:
        """Start a run if none is active and datasets wait.

        Raises botocore's ClientError or BotoCoreError when AWS refuses or cannot be reached. What
        was begun by then is finished by the next call.
        """
        for upload, lines in self.count_lines(self.ledger.pending_uploads()):
            self.ledger.record_line_count(upload, lines)
        for _ in range(_MOST_ROUNDS):
            done = self._look_and_act()
            if done:
                return done
        return Reconciliation(Action.ACTIVE, reason="Other functions are at work on it.")

    def reconcile_or_leave(self) -> Reconciliation:
        """Do the same for the sake of uploads that the ledger has by now.

        Where AWS refuses it is left to the schedule: were it an error, the queue would bring the
        uploads again and take them for poison in the end.
        """
        try:
            return self.reconcile()
        except (BotoCoreError, ClientError, ContendedError) as error:
            return Reconciliation("left", reason=f"{type(error).__name__}: {error}")

    def settle(self, ended: Ended) -> bool:
        """Record how a run ended and release its lock. Repeated calls change nothing.

        Returns whether this end was news.
        """
        return self._end(ended.run_id, ended.datasets, judge_end(ended))

    def _end(self, run_id: str, datasets: Sequence[str], outcome: Outcome) -> bool:
        run = self.ledger.run(run_id)
        news = self.ledger.end_run(run_id, run.datasets if run else datasets, outcome)
        self.ledger.release_lock(run_id)
        return news

    def active_run(
        self, lock: Lock | None, datasets: Sequence[Dataset], pause: Pause | None = None
    ) -> Reconciliation | None:
        """Tell what goes on, with the run's id, or with none when a run may begin.

        None when it was put right what an ended run has left: look again.
        """
        if lock:
            return self._with_lock(lock, pause)
        stray = next((each for each in datasets if each.state == DatasetState.IN_RUN), None)
        return self._with_stray(stray, pause) if stray else Reconciliation(Action.IDLE)

    def _look_and_act(self) -> Reconciliation | None:
        """Go one round; None when something has changed and it is to be looked at again."""
        pause, lock = self.ledger.paused(), self.ledger.lock()
        # Before the uploads: news that come in between will count as not offered yet.
        datasets = () if lock else self.ledger.datasets()
        active = self.active_run(lock, datasets, pause)
        if active is None or active.run_id:
            return active
        pending = self.ledger.pending_uploads()
        decision = decide(datasets, pending, self.clock(), self.policy, pause=pause)
        if decision.action is Action.START:
            return self._begin(decision, datasets)
        self._note(decision)
        return Reconciliation(decision.action, "", decision.datasets, decision.reason)

    def _begin(self, decision: Decision, datasets: Sequence[Dataset]) -> Reconciliation | None:
        now = self.clock()
        run_id = names.run_id(now, self.token())
        run = Run(run_id, self.executions.arn(run_id), decision.datasets, now)
        if not self.ledger.begin_run(run, datasets):
            return None
        done = self._start(run)
        self._note(decision, run_id)
        return done

    def _start(self, run: Run) -> Reconciliation:
        try:
            self.executions.start(run.run_id, run.datasets)
        except (BotoCoreError, ClientError) as error:
            self.ledger.note_start_problem(run.run_id, str(error)[:_LONGEST_PROBLEM])
            raise
        self.ledger.confirm_start(run.run_id, self.clock())
        return Reconciliation("started", run.run_id, run.datasets)

    def _with_lock(self, lock: Lock, pause: Pause | None) -> Reconciliation | None:
        """Believe the lock only as far as Step Functions bears it out; heal it otherwise."""
        described = self._describe(lock)
        ended = described.ended if described else None
        state = examine(lock, self.clock(), exists=described is not None, ended=ended is not None)
        if state is LockState.ACTIVE:
            if described and not lock.started_at:
                self.ledger.confirm_start(lock.run_id, self.clock())
            return Reconciliation(Action.ACTIVE, lock.run_id)
        of_pipeline = names.is_pipeline_execution(lock.execution_arn)
        startable = state is LockState.UNSTARTED and not of_pipeline
        if startable and pause:
            return Reconciliation(Action.PAUSED, lock.run_id, reason="Runs are paused.")
        run = self.ledger.run(lock.run_id)
        if startable and run:
            return self._start(run)
        outcome = judge_end(ended) if ended else lost(self.clock())
        self._end(lock.run_id, ended.datasets if ended else (), outcome)
        return None

    def _describe(self, lock: Lock) -> Described | None:
        if self.pipelines and names.is_pipeline_execution(lock.execution_arn):
            return self.pipelines.describe(lock.run_id, lock.execution_arn)
        return self.executions.describe(lock.run_id)

    def _with_stray(self, stray: Dataset, pause: Pause | None) -> Reconciliation | None:
        """Treat a dataset in a run that has no lock: it begins while this function looks, or was
        ended by one that was killed before it came to all datasets."""
        run = self.ledger.run(stray.run_id)
        arn = run.execution_arn if run else ""
        done = self._with_lock(Lock(stray.run_id, arn, stray.updated_at, stray.updated_at), pause)
        if done is None:
            self.ledger.leave_run(stray.name, stray.run_id, self.clock())
        return done

    def _note(self, decision: Decision, run_id: str = "") -> None:
        now = iso(self.clock())
        self.ledger.note_decision(
            Decided(decision.action, decision.reason, decision.datasets, run_id, now)
        )
