"""The ledger: which datasets there are, what they wait for, and which run is active.

Every change of shared state is conditional, so that two functions at work at the same time cannot
undo each other, and repeatable, so that a function may be killed after any of its calls.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from retraining import ledger_items as items
from retraining.conditional_table import ConditionalTable
from retraining.ledger_items import (
    Dataset,
    DatasetLines,
    Decided,
    Golden,
    Lock,
    Pause,
    Run,
    Seen,
    Upload,
    iso,
)
from retraining.outcomes import LOST, WAITING_FOR_MORE, DatasetState, Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# What is read, judged and written again under the condition that nobody else has changed it.
_MOST_ROUNDS = 12


class ContendedError(Exception):
    """Other functions changed the same items again and again; trying later will do."""


class Ledger:
    """The ledger's table. Methods raise botocore's ClientError when DynamoDB refuses."""

    def __init__(self, table: "Table") -> None:
        """Work on the given table."""
        self._table = ConditionalTable(table)

    # --- uploads

    def record_upload(self, seen: Seen, now: datetime) -> bool:
        """Remember a label file or archive.

        Returns whether it is pending now; False as well when a later version is known already.
        Only content that differs from what is known is news; the same content uploaded again is
        noted on the upload and on its dataset. Raises ContendedError.
        """
        for _ in range(_MOST_ROUNDS):
            known = self.upload(seen.dataset, seen.relative)
            if known and known.order > seen.order:
                return False
            pending = self._record(seen, known, now)
            if pending is not None:
                return pending
        raise ContendedError(f"{seen.dataset}/{seen.relative} is announced many times at once.")

    def record_found(self, seen: Seen, known: Upload | None, now: datetime) -> bool:
        """Remember a label file or archive of which no event has told.

        ``seen`` was looked at after ``known`` was read, so it is the later one, whatever its order;
        nothing is written when an event was faster. Returns whether it is pending now.
        """
        if known:
            seen = replace(seen, sequencer=known.order)
            if known.etag == seen.etag:
                return known.pending
        return bool(self._record(seen, known, now))

    def _record(self, seen: Seen, known: Upload | None, now: datetime) -> bool | None:
        """Write what was seen; tells whether it is pending, None when ``known`` is outdated."""
        if known and seen.etag in {known.etag, known.taken_etag}:
            pending = known.etag == seen.etag and known.pending
            return pending if self._record_again(seen, known, now) else None
        return self._record_news(seen, known, now) or None

    def _record_news(self, seen: Seen, known: Upload | None, now: datetime) -> bool:
        """Write the upload and the dataset's count of news together, so that neither is alone."""
        found = self._table.get(items.dataset_key(seen.dataset))
        in_run = found is not None and items.dataset(found).state == DatasetState.IN_RUN
        values: dict[str, Any] = {
            ":in_run": str(DatasetState.IN_RUN),
            ":none": 0,
            ":one": 1,
            ":now": iso(now),
        }
        if in_run:
            woken = self._table.updating(
                items.dataset_key(seen.dataset),
                "SET attempts = :none, updated_at = :now ADD news :one",
                values,
                "#state = :in_run",
            )
        else:
            woken = self._table.updating(
                items.dataset_key(seen.dataset),
                "SET #state = :waiting, attempts = :none, updated_at = :now "
                "REMOVE reason ADD news :one",
                {**values, ":waiting": str(DatasetState.WAITING)},
                "attribute_not_exists(#state) OR #state <> :in_run",
            )
        recorded = self._upload_write(
            seen,
            known,
            f"{_described(seen)}, seen_at = :now REMOVE #lines",
            {":now": iso(now)},
        )
        return self._table.transact([recorded, woken])

    def _record_again(self, seen: Seen, known: Upload, now: datetime) -> bool:
        """Note an upload whose content is known; an event that is merely repeated says nothing."""
        if known.order == seen.order and known.etag == seen.etag:
            return True
        fields = _described(seen)
        still_pending = known.etag == seen.etag and known.pending
        if still_pending or not known.order:
            return self._table.transact([self._upload_write(seen, known, fields, {})])
        again = {":now": iso(now)}
        fields += ", last_seen_same_at = :now"
        if known.etag != seen.etag:
            # Back to what was read last: the count is that of the version in between.
            fields += " REMOVE #lines"
        noted = self._upload_write(seen, known, fields, again)
        told = self._table.updating(
            items.dataset_key(seen.dataset), "SET last_seen_same_at = :now", again
        )
        return self._table.transact([noted, told])

    def _upload_write(
        self, seen: Seen, known: Upload | None, expression: str, values: Mapping[str, Any]
    ) -> "TransactWriteItemTypeDef":
        """Make a write of an upload that holds only while it is as ``known``."""
        conditions, expected = [], {}
        for attribute, value in (
            ("etag", known.etag if known else ""),
            ("sequencer", known.order if known else ""),
        ):
            if value:
                conditions.append(f"{attribute} = :known_{attribute}")
                expected[f":known_{attribute}"] = value
            else:
                conditions.append(f"attribute_not_exists({attribute})")
        described: dict[str, Any] = {
            ":etag": seen.etag,
            ":size": seen.size,
            ":version": seen.version_id,
        }
        if seen.order:
            described[":order"] = seen.order
        return self._table.updating(
            items.upload_key(seen.dataset, seen.relative),
            expression,
            {**described, **expected, **values},
            " AND ".join(conditions),
        )

    def upload(self, dataset: str, relative: str) -> Upload | None:
        """Tell what is known of a label file or archive."""
        found = self._table.get(items.upload_key(dataset, relative))
        return items.upload(found) if found else None

    def uploads_between(self, first: str, last: str) -> tuple[Upload, ...]:
        """Tell the recorded label files and archives from one to another ``<dataset>/<path>``."""
        key = Key("pk").eq(items.UPLOADS) & Key("sk").between(first, last)
        return tuple(items.upload(each) for each in self._table.query(key))

    def uploads_of(self, dataset: str) -> tuple[Upload, ...]:
        """Tell all recorded label files and archives of a dataset."""
        key = Key("pk").eq(items.UPLOADS) & Key("sk").begins_with(f"{dataset}/")
        return tuple(items.upload(each) for each in self._table.query(key))

    def pending_uploads(self) -> tuple[Upload, ...]:
        """Tell all label files and archives that no run has read yet."""
        unread = Attr("taken_etag").not_exists() | Attr("etag").ne(Attr("taken_etag"))
        found = self._table.query(Key("pk").eq(items.UPLOADS), Attr("etag").exists() & unread)
        return tuple(items.upload(each) for each in found)

    def record_line_count(self, upload: Upload, lines: int) -> None:
        """Remember how many lines an upload has, if it is still the version that was counted."""
        self._table.update(
            items.upload_key(upload.dataset, upload.relative),
            "SET #lines = :lines",
            {":lines": lines, ":etag": upload.etag},
            "etag = :etag",
        )

    def take_upload(
        self, dataset: str, relative: str, *, read_etag: str, known_etag: str, run_id: str
    ) -> None:
        """Remember that a run has read a label file or archive.

        ``known_etag`` is what the ledger said before the file was read ("" for nothing): that
        version is settled with it. A version recorded since then stays pending. A function that
        outlives its run takes nothing: nobody would train on what it reads.
        """
        if "ended_at" in (self._table.get(items.run_key(run_id)) or {}):
            return
        key = items.upload_key(dataset, relative)
        values = {":read": read_etag, ":run": run_id, ":none": None}
        about = "taken_etag = :read, taken_by = :run, "
        unknown = "taken_lines = :none, taken_version_id = :none"
        # The ledger has described exactly the version that was read only if the ETags are one.
        described = (
            "taken_lines = if_not_exists(#lines, :none), "
            "taken_version_id = if_not_exists(version_id, :none)"
        )
        settled = self._table.update(
            key,
            f"SET etag = :read, {about}{described if read_etag == known_etag else unknown}",
            {**values, ":known": known_etag} if known_etag else values,
            "etag = :known" if known_etag else "attribute_not_exists(etag)",
        )
        if settled is None:
            # Run ids sort by time; a function may outlive its run and the next one, too.
            not_later = "attribute_not_exists(taken_by) OR taken_by <= :run"
            self._table.update(key, f"SET {about}{unknown}", values, not_later)

    # --- datasets

    def datasets(self) -> tuple[Dataset, ...]:
        """Tell all datasets, by name."""
        found = self._table.query(Key("pk").eq(items.DATASETS))
        return tuple(items.dataset(each) for each in found)

    def dataset(self, name: str) -> Dataset | None:
        """Tell one dataset."""
        item = self._table.get(items.dataset_key(name))
        return items.dataset(item) if item else None

    def record_lines(self, lines: DatasetLines, run_id: str, now: datetime) -> None:
        """Remember where the usable lines of a dataset in a run are.

        Says nothing of a dataset that another run has taken over: a function may outlive its run.
        """
        key = items.dataset_key(lines.dataset)
        fields = (
            "SET train_lines_uri = :train_uri, holdout_lines_uri = :holdout_uri, "
            "train_lines = :train, holdout_lines = :holdout, contents_uri = :contents, "
            "updated_at = :now"
        )
        values = {
            ":run": run_id,
            ":train_uri": lines.train_uri,
            ":holdout_uri": lines.holdout_uri,
            ":train": lines.train_lines,
            ":holdout": lines.holdout_lines,
            ":contents": lines.contents_uri,
            ":now": iso(now),
        }
        self._table.update(key, f"{fields} REMOVE #missing", values, "run_id = :run")

    def record_missing(self, dataset: str, missing: int, run_id: str, now: datetime) -> None:
        """Remember how many images of a dataset its run still waits for."""
        self._table.update(
            items.dataset_key(dataset),
            "SET #missing = :missing, updated_at = :now",
            {":missing": missing, ":now": iso(now), ":run": run_id},
            "run_id = :run",
        )

    def set_aside(self, dataset: str, reason: str, run_id: str, now: datetime) -> None:
        """Reject one dataset of a run that goes on without it.

        Says nothing of a dataset that is no longer in that run: a function may outlive its run.
        """
        self._table.update(
            items.dataset_key(dataset),
            "SET #state = :rejected, reason = :reason, set_aside_by = :run, train_lines = :none, "
            "updated_at = :now REMOVE #missing",
            {
                ":rejected": str(DatasetState.REJECTED),
                ":reason": reason,
                ":run": run_id,
                ":none": 0,
                ":now": iso(now),
                ":in_run": str(DatasetState.IN_RUN),
            },
            "#state = :in_run AND run_id = :run",
        )

    def queue(self, dataset: str, now: datetime) -> bool:
        """Let a dataset wait for the next run, and call for one.

        Returns False when there is no such dataset or a run has it.
        """
        queued = self._table.update(
            items.dataset_key(dataset),
            "SET #state = :waiting, attempts = :none, queued_at = :now, updated_at = :now "
            "REMOVE reason",
            {
                ":waiting": str(DatasetState.WAITING),
                ":in_run": str(DatasetState.IN_RUN),
                ":none": 0,
                ":now": iso(now),
            },
            "attribute_exists(pk) AND #state <> :in_run",
        )
        return queued is not None

    # --- runs

    def lock(self) -> Lock | None:
        """Tell the active run, as far as the ledger knows."""
        item = self._table.get(items.LOCK)
        return items.lock(item) if item else None

    def run(self, run_id: str) -> Run | None:
        """Tell what is known about a run that was begun here."""
        item = self._table.get(items.run_key(run_id))
        return items.run(item) if item and "started_at" in item else None

    def begin_run(self, run: Run, known: Iterable[Dataset] = ()) -> bool:
        """Take the lock and put the datasets into the run, all or nothing.

        Returns False when another run holds the lock, or has had one of the datasets since they
        were read as ``known``.
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
        by_name = {each.name: each for each in known}
        entered = [self._entering(name, by_name.get(name), run, now) for name in run.datasets]
        free = "attribute_not_exists(pk)"
        return self._table.transact(
            [self._table.putting(lock, free), self._table.putting(item, free), *entered]
        )

    def _entering(
        self, name: str, known: Dataset | None, run: Run, now: str
    ) -> "TransactWriteItemTypeDef":
        values: dict[str, Any] = {
            ":in_run": str(DatasetState.IN_RUN),
            ":run": run.run_id,
            ":now": now,
            ":none": 0,
        }
        offered, condition = "if_not_exists(news, :none)", None
        if known is not None:
            offered, values[":news"] = ":news", known.news
            condition = "attribute_not_exists(run_id)"
            if known.run_id:
                condition, values[":known_run"] = "run_id = :known_run", known.run_id
        return self._table.updating(
            items.dataset_key(name),
            "SET #state = :in_run, run_id = :run, updated_at = :now, train_lines = :none, "
            f"attempts = if_not_exists(attempts, :none), offered = {offered} "
            "REMOVE queued_at, reason, #missing",
            values,
            condition,
        )

    def confirm_start(self, run_id: str, now: datetime) -> None:
        """Remember that the execution of the active run exists."""
        self._table.update(
            items.LOCK,
            "SET started_at = :now REMOVE problem",
            {":now": iso(now), ":run": run_id},
            "run_id = :run AND attribute_not_exists(started_at)",
        )

    def note_start_problem(self, run_id: str, problem: str) -> None:
        """Remember why the execution of the active run may not exist."""
        self._table.update(
            items.LOCK,
            "SET problem = :problem",
            {":problem": problem, ":run": run_id},
            "run_id = :run AND attribute_not_exists(started_at)",
        )

    def end_run(self, run_id: str, datasets: Sequence[str], outcome: Outcome) -> bool:
        """Record how a run ended, for the run and for those of its datasets still in it.

        Returns False, and changes nothing, when this end or a later one is recorded already.
        Raises ContendedError.
        """
        for _ in range(_MOST_ROUNDS):
            if not _is_news(self._table.get(items.run_key(run_id)), outcome):
                return False
            known = [self.dataset(name) for name in dict.fromkeys(datasets)]
            changes = [
                self._end_of(each, run_id, outcome)
                for each in known
                if each and each.run_id == run_id and each.set_aside_by != run_id
            ]
            if self._table.transact([self._ending(run_id, outcome), *changes]):
                return True
        raise ContendedError(f"The end of run {run_id} is recorded many times at once.")

    def _ending(self, run_id: str, outcome: Outcome) -> "TransactWriteItemTypeDef":
        news = "attribute_not_exists(ended_at)"
        values = {
            ":outcome": outcome.name,
            ":reason": outcome.reason,
            ":ended": iso(outcome.ended_at),
            ":package": outcome.package_arn,
        }
        if outcome.name != LOST:
            news += " OR outcome = :lost OR (ended_at < :ended AND outcome <> :outcome)"
            values[":lost"] = LOST
        return self._table.updating(
            items.run_key(run_id),
            "SET outcome = :outcome, reason = :reason, ended_at = :ended, package_arn = :package",
            values,
            news,
        )

    def leave_run(self, dataset: str, run_id: str, now: datetime) -> None:
        """Queue a dataset again that is still in a run which is known to have ended."""
        self._table.update(
            items.dataset_key(dataset),
            "SET #state = :waiting, reason = :reason, updated_at = :now, queued_at = :now, "
            "attempts = if_not_exists(attempts, :none) + :one REMOVE #missing",
            {
                ":waiting": str(DatasetState.WAITING),
                ":in_run": str(DatasetState.IN_RUN),
                ":reason": f"Run {run_id} ended without it.",
                ":run": run_id,
                ":now": iso(now),
                ":none": 0,
                ":one": 1,
            },
            "#state = :in_run AND run_id = :run",
        )

    def release_lock(self, run_id: str) -> bool:
        """Give the lock back if that run holds it."""
        return self._table.delete(items.LOCK, "run_id = :run", {":run": run_id})

    def _end_of(
        self, dataset: Dataset, run_id: str, outcome: Outcome
    ) -> "TransactWriteItemTypeDef":
        state, reason = outcome.dataset_state, outcome.reason
        usable = dataset.train_lines or (outcome.name == WAITING_FOR_MORE and dataset.holdout_lines)
        nothing = not usable and not outcome.failed
        if nothing and state is not DatasetState.NOTHING_USABLE:
            state, reason = DatasetState.NOTHING_USABLE, "None of its lines could be used."
        now = iso(outcome.ended_at)
        expression, removed = "SET #state = :state, updated_at = :now", "#missing"
        values: dict[str, Any] = {":state": str(state), ":now": now, ":run": run_id}
        if state is DatasetState.TRAINED:
            expression += (
                ", attempts = :none, package_arn = :package, trained_train_uri = :train,"
                " trained_holdout_uri = :holdout"
            )
            removed += ", reason"
            values |= {
                ":none": 0,
                ":package": outcome.package_arn,
                ":train": dataset.train_lines_uri,
                ":holdout": dataset.holdout_lines_uri,
            }
        else:
            expression += ", reason = :reason"
            values[":reason"] = reason
        if outcome.failed:
            expression += ", attempts = if_not_exists(attempts, :none) + :one"
            values |= {":none": 0, ":one": 1}
            if outcome.again:
                expression += ", queued_at = :now"
        return self._table.updating(
            items.dataset_key(dataset.name),
            f"{expression} REMOVE {removed}",
            values,
            "run_id = :run",
        )

    # --- what people decide, and what was decided for them

    def paused(self) -> Pause | None:
        """Tell whether runs are held back."""
        item = self._table.get(items.PAUSE)
        return items.pause(item) if item else None

    def pause(self, pause: Pause) -> None:
        """Let no new run begin."""
        switch = {"since": pause.since, "by": pause.by, "reason": pause.reason}
        self._table.put({**items.PAUSE, **switch})

    def resume(self) -> bool:
        """Let runs begin again; returns whether they were held back."""
        return self._table.delete(items.PAUSE, "attribute_exists(pk)")

    def note_decision(self, decided: Decided) -> None:
        """Remember what was decided, for people to read, unless a later decision is known.

        Of the datasets only the first are named: an item has room for 400 kB.
        """
        about = {
            ":action": decided.action,
            ":reason": decided.reason,
            ":datasets": list(decided.datasets[: items.MOST_DATASETS_NAMED]),
            ":run": decided.run_id,
            ":now": decided.decided_at,
        }
        self._table.update(
            items.DECISION,
            "SET #action = :action, reason = :reason, datasets = :datasets, run_id = :run, "
            "decided_at = :now",
            about,
            "attribute_not_exists(decided_at) OR decided_at <= :now",
        )

    def last_decision(self) -> Decided | None:
        """Tell what was decided last."""
        item = self._table.get(items.DECISION)
        return items.decided(item) if item else None

    # --- the search for uploads that nobody announced

    def searched_up_to(self) -> str:
        """Tell the key after which the search goes on, "" for the beginning."""
        return str((self._table.get(items.SEARCH) or {}).get("up_to", ""))

    def note_search(self, before: str, up_to: str, now: datetime) -> None:
        """Remember where the search goes on, unless another function is ahead."""
        values = {":up_to": up_to, ":now": iso(now), ":before": before}
        self._table.update(
            items.SEARCH,
            "SET up_to = :up_to, updated_at = :now",
            values,
            "attribute_not_exists(up_to) OR up_to = :before",
        )

    # --- golden sets

    def golden_sets(self) -> tuple[Golden, ...]:
        """Tell all golden sets, by name."""
        found = self._table.query(Key("pk").eq(items.GOLDEN_SETS))
        return tuple(items.golden(each) for each in found)

    def record_golden(self, golden: Golden) -> None:
        """Remember a golden set as it is now."""
        about = {
            "state": golden.state,
            "reason": golden.reason,
            "lines": golden.lines,
            "problems": golden.problems,
            "fingerprint": golden.fingerprint,
            "lines_uri": golden.lines_uri,
            "contents_uri": golden.contents_uri,
            "first_seen_at": golden.first_seen_at,
            "updated_at": golden.updated_at,
        }
        self._table.put({**items.golden_key(golden.name), **about})

    def remove_golden(self, name: str) -> None:
        """Forget a golden set that is no longer in the bucket."""
        self._table.delete(items.golden_key(name), "attribute_exists(pk)")


def _described(seen: Seen) -> str:
    order = ", sequencer = :order" if seen.order else ""
    return f"SET etag = :etag, #size = :size, version_id = :version{order}"


def _is_news(run: Mapping[str, Any] | None, outcome: Outcome) -> bool:
    """Tell whether an end says more than what is recorded; the truth corrects a run called lost."""
    ended_at = str((run or {}).get("ended_at", ""))
    recorded = (run or {}).get("outcome")
    if not ended_at:
        return True
    if outcome.name == LOST:
        return False
    return recorded == LOST or (ended_at < iso(outcome.ended_at) and recorded != outcome.name)
