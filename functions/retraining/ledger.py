"""The ledger: which datasets there are, what they wait for, and which run is active.

Every change of shared state is conditional, so that two functions at work at the same time cannot
undo each other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from retraining import ledger_items as items
from retraining.conditional_table import ConditionalTable
from retraining.ledger_items import Dataset, DatasetLines, Lock, Run, Seen, Upload, iso
from retraining.outcomes import DatasetState, Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


class Ledger:
    """The ledger's table. Methods raise botocore's ClientError when DynamoDB refuses."""

    def __init__(self, table: "Table") -> None:
        """Work on the given table."""
        self._table = ConditionalTable(table)

    # --- uploads

    def record_upload(self, seen: Seen, now: datetime) -> bool:
        """Remember a label file.

        Returns whether it is pending now; False as well when a later version is known already.
        """
        recorded = self._table.update(
            items.upload_key(seen.dataset, seen.relative),
            "SET etag = :etag, sequencer = :order, #size = :size, version_id = :version, "
            "seen_at = :now",
            {
                ":etag": seen.etag,
                ":order": seen.order,
                ":size": seen.size,
                ":version": seen.version_id,
                ":now": iso(now),
            },
            "attribute_not_exists(sequencer) OR sequencer <= :order",
        )
        pending = recorded is not None and items.upload(recorded).pending
        if pending:
            self._wake(seen.dataset, now)
        return pending

    def _wake(self, dataset: str, now: datetime) -> None:
        self._table.update(
            items.dataset_key(dataset),
            "SET #state = :waiting, attempts = :none, updated_at = :now",
            {
                ":waiting": str(DatasetState.WAITING),
                ":in_run": str(DatasetState.IN_RUN),
                ":none": 0,
                ":now": iso(now),
            },
            "attribute_not_exists(#state) OR #state <> :in_run",
        )

    def uploads_of(self, dataset: str) -> tuple[Upload, ...]:
        """Tell all recorded label files of a dataset."""
        key = Key("pk").eq(items.UPLOADS) & Key("sk").begins_with(f"{dataset}/")
        return tuple(items.upload(each) for each in self._table.query(key))

    def pending_uploads(self) -> tuple[Upload, ...]:
        """Tell all label files that no run has read yet."""
        unread = Attr("taken_etag").not_exists() | Attr("etag").ne(Attr("taken_etag"))
        found = self._table.query(Key("pk").eq(items.UPLOADS), Attr("etag").exists() & unread)
        return tuple(items.upload(each) for each in found)

    def take_upload(
        self, dataset: str, relative: str, *, read_etag: str, known_etag: str, run_id: str
    ) -> None:
        """Remember that a run has read a label file.

        ``known_etag`` is what the ledger said before the file was read ("" for nothing): that
        version is settled with it. A version recorded since then stays pending.
        """
        key = items.upload_key(dataset, relative)
        values = {":read": read_etag, ":run": run_id}
        settled = self._table.update(
            key,
            "SET etag = :read, taken_etag = :read, taken_by = :run",
            values,
            Attr("etag").eq(known_etag) if known_etag else Attr("etag").not_exists(),
        )
        if settled is None:
            self._table.update(key, "SET taken_etag = :read, taken_by = :run", values)

    # --- datasets

    def datasets(self) -> tuple[Dataset, ...]:
        """Tell all datasets, by name."""
        found = self._table.query(Key("pk").eq(items.DATASETS))
        return tuple(items.dataset(each) for each in found)

    def record_lines(self, lines: DatasetLines, run_id: str, now: datetime) -> None:
        """Remember where the usable lines of a dataset in a run are."""
        self._table.update(
            items.dataset_key(lines.dataset),
            "SET #state = :in_run, run_id = :run, train_lines_uri = :train_uri, "
            "holdout_lines_uri = :holdout_uri, train_lines = :train, "
            "holdout_lines = :holdout, updated_at = :now",
            {
                ":in_run": str(DatasetState.IN_RUN),
                ":run": run_id,
                ":train_uri": lines.train_uri,
                ":holdout_uri": lines.holdout_uri,
                ":train": lines.train_lines,
                ":holdout": lines.holdout_lines,
                ":now": iso(now),
            },
        )

    # --- runs

    def lock(self) -> Lock | None:
        """Tell the active run, as far as the ledger knows."""
        item = self._table.get(items.LOCK)
        return items.lock(item) if item else None

    def run(self, run_id: str) -> Run | None:
        """Tell what is known about a run that was begun here."""
        item = self._table.get(items.run_key(run_id))
        return items.run(item) if item and "started_at" in item else None

    def begin_run(self, run: Run) -> bool:
        """Take the lock and put the datasets into the run, all or nothing.

        Returns False when another run holds the lock.
        """
        now = iso(run.started_at)
        about = {"execution_arn": run.execution_arn}
        lock = {**items.LOCK, **about, "run_id": run.run_id, "acquired_at": now}
        item = {
            **items.run_key(run.run_id),
            **about,
            "datasets": list(run.datasets),
            "started_at": now,
        }
        entered = [
            self._table.updating(
                items.dataset_key(name),
                "SET #state = :in_run, run_id = :run, updated_at = :now, train_lines = :none, "
                "attempts = if_not_exists(attempts, :none)",
                {":in_run": str(DatasetState.IN_RUN), ":run": run.run_id, ":now": now, ":none": 0},
            )
            for name in run.datasets
        ]
        free = "attribute_not_exists(pk)"
        return self._table.transact(
            [self._table.putting(lock, free), self._table.putting(item, free), *entered]
        )

    def cancel_run(self, run: Run, now: datetime) -> bool:
        """Undo ``begin_run`` of a run whose execution never came to be."""
        left = [
            self._table.updating(
                items.dataset_key(name),
                "SET #state = :waiting, updated_at = :now",
                {":waiting": str(DatasetState.WAITING), ":now": iso(now)},
            )
            for name in run.datasets
        ]
        ours = {":run": run.run_id}
        return self._table.transact(
            [
                self._table.deleting(items.LOCK, "run_id = :run", ours),
                self._table.deleting(items.run_key(run.run_id), "sk = :run", ours),
                *left,
            ]
        )

    def end_run(self, run_id: str, datasets: Sequence[str], outcome: Outcome) -> bool:
        """Record how a run ended, for the run and for those of its datasets still in it.

        Returns False, and changes nothing, when this end or a later one is recorded already.
        """
        found = [self._table.get(items.dataset_key(name)) for name in datasets]
        known = [items.dataset(each) for each in found if each]
        changes = [self._end_of(each, outcome) for each in known if each.run_id == run_id]
        about = self._table.updating(
            items.run_key(run_id),
            "SET outcome = :outcome, reason = :reason, ended_at = :ended, package_arn = :package",
            {
                ":outcome": outcome.name,
                ":reason": outcome.reason,
                ":ended": iso(outcome.ended_at),
                ":package": outcome.package_arn,
            },
            "attribute_not_exists(ended_at) OR (ended_at < :ended AND outcome <> :outcome)",
        )
        return self._table.transact([about, *changes])

    def release_lock(self, run_id: str) -> bool:
        """Give the lock back if that run holds it."""
        return self._table.delete(items.LOCK, "run_id = :run", {":run": run_id})

    def _end_of(self, dataset: Dataset, outcome: Outcome) -> "TransactWriteItemTypeDef":
        state, reason = outcome.dataset_state, outcome.reason
        nothing = not dataset.train_lines and state is not DatasetState.WAITING
        if nothing and state is not DatasetState.NOTHING_USABLE:
            state, reason = DatasetState.NOTHING_USABLE, "None of its lines could be used."
        expression = "SET #state = :state, updated_at = :now"
        values: dict[str, Any] = {":state": str(state), ":now": iso(outcome.ended_at)}
        if state is DatasetState.TRAINED:
            expression += (
                ", attempts = :none, package_arn = :package, trained_train_uri = :train,"
                " trained_holdout_uri = :holdout REMOVE reason"
            )
            values |= {
                ":none": 0,
                ":package": outcome.package_arn,
                ":train": dataset.train_lines_uri,
                ":holdout": dataset.holdout_lines_uri,
            }
        else:
            expression += ", reason = :reason"
            values[":reason"] = reason
        if state is DatasetState.WAITING:
            expression += ", attempts = if_not_exists(attempts, :none) + :one"
            values |= {":none": 0, ":one": 1}
        return self._table.updating(items.dataset_key(dataset.name), expression, values)
