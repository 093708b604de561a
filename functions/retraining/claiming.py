"""Begins runs for executions that somebody has started already: those of the SageMaker pipeline.

The lock is the reconciler's, so a run of the pipeline and one of the state machine cannot overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from retraining import names
from retraining.decision import Policy, decide
from retraining.ledger_items import Dataset, Run
from retraining.outcomes import DatasetState
from retraining.pipeline_executions import LONGEST_OUTPUT
from retraining.reconcile import Reconciler

_MOST_ROUNDS = 5
# Who starts an execution has decided that there is enough.
_AT_ONCE = Policy(min_new_lines=1, max_wait=timedelta(0))


class RunRefusedError(Exception):
    """No run can be begun now; the message says why, and what to do."""


class OutdatedPipelineError(Exception):
    """The pipeline was made from other parameters than the stack has now."""


def check_up_to_date(made_from: str, stack: str) -> None:
    """Pass when the pipeline was made from the stack's parameters as they are.

    Otherwise it would train with an old image or outside the stack's network, and say nothing.
    Raises OutdatedPipelineError.
    """
    if made_from != stack:
        raise OutdatedPipelineError(
            "The stack's images, instances or limits have changed since this pipeline was made; "
            "run `python -m pipelines upsert`, then start it again."
        )


@dataclass(frozen=True)
class Claims:
    """Takes the lock of ``reconciler`` for others."""

    reconciler: Reconciler

    def claim(self, execution_arn: str, wanted: Sequence[str] = ()) -> Run:
        """Begin a run with the wanted datasets, or with all that wait; again, tell the same run.

        Pausing holds back only what starts by itself. Raises RunRefusedError when another run is
        at work, when nothing waits, or when a wanted dataset is not known.
        """
        for _ in range(_MOST_ROUNDS):
            run = self._claim(execution_arn, wanted)
            if run:
                return run
        raise RunRefusedError("Other functions are beginning or ending a run; start it again.")

    def _claim(self, execution_arn: str, wanted: Sequence[str]) -> Run | None:
        """Go one round; None when something has changed and it is to be looked at again."""
        ledger = self.reconciler.ledger
        lock = ledger.lock()
        if lock and lock.execution_arn == execution_arn:
            return ledger.run(lock.run_id)
        datasets = ledger.datasets()
        active = self.reconciler.active_run(lock, datasets, ledger.paused())
        if active is None:
            return None
        if active.run_id:
            raise RunRefusedError(
                f"Run {active.run_id} is at work, and two runs would train from the same model; "
                "start the pipeline again when it has ended."
            )
        chosen = self._choose(datasets, wanted)
        now = self.reconciler.clock()
        run = Run(names.run_id(now, self.reconciler.token()), execution_arn, chosen, now)
        if not ledger.begin_run(run, datasets):
            return None
        ledger.confirm_start(run.run_id, now)
        return run

    def _choose(self, datasets: Sequence[Dataset], wanted: Sequence[str]) -> tuple[str, ...]:
        if wanted:
            unknown = sorted(set(wanted) - {each.name for each in datasets})
            if unknown:
                raise RunRefusedError(
                    f"No dataset is named {', '.join(unknown)}; `ocr-retrain datasets` lists them."
                )
            chosen = tuple(dict.fromkeys(wanted))
        else:
            pending = self.reconciler.ledger.pending_uploads()
            chosen = decide(datasets, pending, self.reconciler.clock(), _AT_ONCE).datasets
            waiting = {each.name for each in datasets if each.state == DatasetState.WAITING}
            chosen = chosen or tuple(sorted(waiting))
        if not chosen:
            raise RunRefusedError(
                "No dataset waits for a run: upload labelled data, or name datasets to train on "
                "again."
            )
        return _fitting(chosen)


def _fitting(datasets: tuple[str, ...]) -> tuple[str, ...]:
    """Take the first whose names fit into an output of a step; the others wait for the next run."""
    while len(datasets) > 1 and len(names.dataset_ids(datasets)) > LONGEST_OUTPUT:
        datasets = datasets[:-1]
    return datasets
