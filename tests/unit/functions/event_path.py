"""The event path in memory: a bucket, its events, the reconciler, runs that validate and end."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from retraining.decision import MOST_ATTEMPTS, Action, Policy
from retraining.executions import Executions
from retraining.ledger import Ledger
from retraining.ledger_items import DatasetLines, Seen, Upload
from retraining.outcomes import DatasetState, Ended
from retraining.reconcile import Reconciler

from .conftest import MACHINE, Clock
from .memory_cloud import Faults, KilledError, MemoryExecutions, MemoryTable

LABELS = "labels/train.txt"


@dataclass
class EventPath:
    """What people and AWS do to the event path, and what must hold whatever they do."""

    policy: Policy = field(default_factory=Policy)
    faults: Faults = field(default_factory=Faults)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.table = MemoryTable(self.faults)
        self.machine = MemoryExecutions(self.faults)
        self.ledger = Ledger(self.table)  # type: ignore[arg-type]
        executions = Executions(self.machine, MACHINE)  # type: ignore[arg-type]
        tokens = (f"{number:06x}" for number in itertools.count())
        self.reconciler = Reconciler(
            self.ledger, executions, self.clock, lambda: next(tokens), self.policy, self._count
        )
        self.bucket: dict[str, Seen] = {}
        self.lines: dict[str, int] = {}
        self.undelivered: list[Seen] = []
        self.delivered: list[Seen] = []
        self.read: dict[str, dict[str, str]] = {}
        self._sequence = itertools.count(1)

    # --- what people do

    def put(self, dataset: str, content: str, lines: int = 10) -> None:
        """Upload the label file of a dataset; S3 announces it."""
        sequencer = f"{next(self._sequence):08x}"
        self.bucket[dataset] = Seen(dataset, LABELS, content, sequencer, 10 * lines, sequencer)
        self.lines[content] = lines
        self.undelivered.append(self.bucket[dataset])

    # --- what AWS does

    def deliver(self, event: Seen) -> None:
        """Bring an event: the object is looked up as it is now, the rest is the handler's."""
        now = self.bucket[event.dataset]
        found = Seen(
            now.dataset, LABELS, now.etag, event.sequencer, now.size, version_id=now.version_id
        )
        self.ledger.record_upload(found, self.clock.now)
        self.reconciler.reconcile_or_leave()
        if event in self.undelivered:
            self.undelivered.remove(event)
            self.delivered.append(event)

    def schedule(self) -> None:
        self.reconciler.reconcile()

    def validate(self, run_id: str) -> None:
        """Do what the validation of a run does to the ledger."""
        for name in self.machine.datasets(run_id):
            known = {each.relative: each.etag for each in self.ledger.uploads_of(name)}
            read = self.bucket[name].etag
            lines = DatasetLines(name, f"s3://t/{read}", f"s3://h/{read}", 8, 2)
            self.ledger.record_lines(lines, run_id, self.clock.now)
            self.ledger.take_upload(
                name, LABELS, read_etag=read, known_etag=known.get(LABELS, ""), run_id=run_id
            )
            if run_id in self.machine.running:
                self.read.setdefault(run_id, {})[name] = read

    def end(self, run_id: str, status: str = "SUCCEEDED", outcome: str = "Promoted") -> None:
        self.machine.end(run_id, status, self.clock.now, outcome)

    def tell_end(self, run_id: str) -> None:
        """Bring the event of the end of a run."""
        found = self.machine.found[run_id]
        output = json.loads(found.get("output", "{}"))
        cause = str(found.get("cause", ""))
        self.reconciler.settle(
            Ended(
                run_id,
                found["status"],
                tuple(self.machine.datasets(run_id)),
                output,
                "E" if cause else "",
                cause,
                found["stopDate"],
            )
        )
        self.reconciler.reconcile()

    def attempt(self, step: Callable[[], None]) -> bool:
        """Take a step that may be killed or fail; returns whether it came to its end."""
        try:
            step()
        except (KilledError, OSError, Exception) as error:
            if isinstance(error, AssertionError):
                raise
            return False
        return True

    def come_to_rest(self) -> None:
        """Let everything happen that is to happen by itself, without further faults."""
        self.faults.plan({})
        self.machine.slow = False
        self.machine.hidden.clear()
        self.ledger.resume()
        for _ in range(100):
            for event in list(self.undelivered):
                self.deliver(event)
            self.clock.forward(timedelta(minutes=10).total_seconds())
            done = self.reconciler.reconcile()
            self.check()
            if done.action == Action.IDLE:
                return
            for run_id in self.machine.running:
                self.validate(run_id)
                self.clock.forward(60)
                self.end(run_id)
                self.tell_end(run_id)
        raise AssertionError("runs follow runs without end")

    def _count(self, uploads: "object") -> "object":
        return [
            (each, self.lines[each.etag])
            for each in uploads  # type: ignore[attr-defined]
            if isinstance(each, Upload) and each.lines is None
        ]

    # --- what must hold

    def check(self) -> None:
        """Check what holds at any time."""
        assert len(self.machine.running) <= 1, "two runs overlap"
        assert all(self.machine.datasets(name) for name in self.machine.found), "an empty run"
        for running in self.machine.running:
            item = self.table.items.get(("LOCK", "retrain"))
            assert item, "a run without the lock"
            assert item["run_id"] == running, "a run under the lock of another"

    def check_at_rest(self) -> None:
        """Check what holds when nothing more happens by itself."""
        self.check()
        assert ("LOCK", "retrain") not in self.table.items, "the lock is not free"
        datasets = {each.name: each for each in self.ledger.datasets()}
        for name, stored in self.bucket.items():
            found = datasets[name]
            assert not found.queued_at or found.attempts == MOST_ATTEMPTS, "queued in vain"
            assert found.state != DatasetState.IN_RUN, "in a run that has ended"
            (upload,) = self.ledger.uploads_of(name)
            assert upload.etag == stored.etag, "the ledger knows another version"
            if found.state == DatasetState.WAITING:
                assert found.reason, "waits without a reason"
                assert found.attempts, "waits though no run has failed"
            else:
                assert not upload.pending, "the last version was not read"
