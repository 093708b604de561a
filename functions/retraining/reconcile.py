"""Brings the ledger and the state machine to agree: one run at a time, nothing lost.

Level-triggered: it looks at what is, not at what an event says has changed, so it may be called
at any time and as often as one likes.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from retraining import names
from retraining.executions import Executions, NotStartedError
from retraining.ledger import Ledger
from retraining.ledger_items import Lock, Run, Upload, iso
from retraining.outcomes import DatasetState, Ended, judge_end

# A dataset whose runs keep failing waits for a person to upload it again.
MOST_ATTEMPTS = 3
# The names of a run's datasets travel in one hyperparameter of at most 2,500 characters.
MOST_DATASETS_PER_RUN = 20
# Between taking the lock and the execution being visible lies at most the life of one function.
_EXECUTION_MAY_STILL_APPEAR = timedelta(seconds=60)


@dataclass(frozen=True)
class Reconciliation:
    """What was done: ``started``, ``active`` (a run is under way) or ``idle``."""

    action: str
    run_id: str = ""
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconciler:
    """The rule, with what it works on."""

    ledger: Ledger
    executions: Executions
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    token: Callable[[], str] = lambda: secrets.token_hex(3)

    def reconcile(self) -> Reconciliation:
        """Start a run if none is active and datasets wait.

        Raises botocore's ClientError when AWS refuses, NotStartedError when the execution could
        not be started (the datasets wait on then).
        """
        now = self.clock()
        lock = self.ledger.lock()
        if lock and self._is_active(lock, now):
            return Reconciliation("active", lock.run_id)
        # Before the query: an upload recorded later than this is for the next run.
        started_at = self.clock()
        datasets = self._datasets_to_run()
        if not datasets:
            return Reconciliation("idle")
        run_id = names.run_id(started_at, self.token())
        run = Run(run_id, self.executions.arn(run_id), datasets, started_at)
        if not self.ledger.begin_run(run):
            return Reconciliation("active")
        try:
            self.executions.start(run_id, datasets)
        except NotStartedError:
            self.ledger.cancel_run(run, self.clock())
            raise
        return Reconciliation("started", run_id, datasets)

    def settle(self, ended: Ended) -> bool:
        """Record how a run ended and release its lock. Repeated calls change nothing.

        Returns whether this end was news.
        """
        outcome = judge_end(ended)
        run = self.ledger.run(ended.run_id)
        datasets = run.datasets if run else ended.datasets
        news = self.ledger.end_run(ended.run_id, datasets, outcome)
        if run and outcome.dataset_state is DatasetState.WAITING:
            self._pass_over_uploads_of(run)
        self.ledger.release_lock(ended.run_id)
        return news

    def _is_active(self, lock: Lock, now: datetime) -> bool:
        """Believe the lock only as far as Step Functions bears it out; heal it otherwise."""
        described = self.executions.describe(lock.execution_arn)
        if described is None:
            if now - datetime.fromisoformat(lock.acquired_at) < _EXECUTION_MAY_STILL_APPEAR:
                return True
            run = self.ledger.run(lock.run_id)
            if not (run and self.ledger.cancel_run(run, now)):
                self.ledger.release_lock(lock.run_id)
            return False
        if described.ended is None:
            return True
        self.settle(described.ended)
        return False

    def _datasets_to_run(self) -> tuple[str, ...]:
        """Tell the datasets with unread label files, oldest first, and those that ride along."""
        pending = sorted(self.ledger.pending_uploads(), key=_age)
        waiting = dict.fromkeys(each.dataset for each in pending)
        if not waiting:
            return ()
        riders = (
            each.name
            for each in self.ledger.datasets()
            if each.state == DatasetState.WAITING and each.attempts < MOST_ATTEMPTS
        )
        return tuple(dict.fromkeys([*waiting, *riders]))[:MOST_DATASETS_PER_RUN]

    def _pass_over_uploads_of(self, run: Run) -> None:
        """Settle what a failed run was started for, so that it is not started again at once.

        The datasets ride along with the next run; without this a run that fails before it has
        read its label files would be repeated for ever.
        """
        for dataset in run.datasets:
            for upload in self.ledger.uploads_of(dataset):
                if upload.pending and upload.seen_at <= iso(run.started_at):
                    self.ledger.take_upload(
                        dataset,
                        upload.relative,
                        read_etag=upload.etag,
                        known_etag=upload.etag,
                        run_id=run.run_id,
                    )


def _age(upload: Upload) -> tuple[str, str, str]:
    return upload.seen_at, upload.dataset, upload.relative
