"""Random histories of the event path: any order, any repetition, any crash; the same invariants."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retraining.decision import Policy
from retraining.ledger_items import Pause

from .event_path import EventPath
from .memory_cloud import Fault

DATASETS = st.sampled_from(["meters", "plates", "receipts"])
FAULTS = st.one_of(
    st.just({}),
    st.dictionaries(st.integers(0, 14), st.sampled_from(Fault), min_size=1, max_size=3),
)


class Histories(RuleBasedStateMachine):
    """People upload, pause and retry; AWS delivers, kills, refuses, hides, aborts and deletes."""

    def __init__(self) -> None:
        super().__init__()
        self.path = EventPath()
        self.contents = 0
        self.excused: set[str] = set()

    @initialize(least=st.sampled_from([1, 1, 25]), slow=st.booleans())
    def begin(self, least: int, slow: bool) -> None:
        self.path = EventPath(Policy(min_new_lines=least, max_wait=timedelta(minutes=30)))
        self.path.machine.slow = slow

    def attempt(self, faults: dict[int, Fault], step: Callable[[], None]) -> None:
        self.path.faults.plan(faults)
        self.path.attempt(step)
        self.path.faults.plan({})
        self.path.clock.forward(1)

    # --- people

    @rule(dataset=DATASETS, lines=st.integers(0, 30))
    def upload(self, dataset: str, lines: int) -> None:
        self.contents += 1
        self.path.put(dataset, f"content-{self.contents}", lines)

    @precondition(lambda self: self.path.bucket)
    @rule(data=st.data())
    def upload_the_same_again(self, data: st.DataObject) -> None:
        stored = data.draw(st.sampled_from(sorted(self.path.bucket.values(), key=repr)))
        self.path.put(stored.dataset, stored.etag, self.path.lines[stored.etag])

    @rule(dataset=DATASETS)
    def retry(self, dataset: str) -> None:
        if self.path.ledger.queue(dataset, self.path.clock.now):
            self.excused.add(dataset)

    @rule()
    def pause(self) -> None:
        self.path.ledger.pause(Pause("2026", "anna", ""))

    @rule()
    def resume(self) -> None:
        self.path.ledger.resume()

    # --- AWS

    @precondition(lambda self: self.path.undelivered)
    @rule(data=st.data(), faults=FAULTS)
    def deliver(self, data: st.DataObject, faults: dict[int, Fault]) -> None:
        event = data.draw(st.sampled_from(self.path.undelivered))
        self.attempt(faults, lambda: self.path.deliver(event))

    @precondition(lambda self: self.path.delivered)
    @rule(data=st.data(), faults=FAULTS)
    def deliver_again(self, data: st.DataObject, faults: dict[int, Fault]) -> None:
        event = data.draw(st.sampled_from(self.path.delivered))
        self.attempt(faults, lambda: self.path.deliver(event))

    @rule(faults=FAULTS)
    def schedule(self, faults: dict[int, Fault]) -> None:
        self.attempt(faults, self.path.schedule)

    @precondition(lambda self: self.path.machine.found)
    @rule(data=st.data(), faults=FAULTS)
    def validate(self, data: st.DataObject, faults: dict[int, Fault]) -> None:
        """Also for runs that are over: a function outlives the execution that called it."""
        run_id = data.draw(st.sampled_from(sorted(self.path.machine.found)))
        self.attempt(faults, lambda: self.path.validate(run_id))

    @precondition(lambda self: self.path.machine.running)
    @rule(
        status=st.sampled_from(["SUCCEEDED", "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]),
        outcome=st.sampled_from(["Promoted", "Rejected", "Awaiting approval"]),
    )
    def end(self, status: str, outcome: str) -> None:
        (run_id,) = self.path.machine.running
        if status == "SUCCEEDED":
            self.path.validate(run_id)
        else:
            self.excused.update(self.path.machine.datasets(run_id))
        self.path.end(run_id, status, outcome)

    @precondition(lambda self: set(self.path.machine.found) - set(self.path.machine.running))
    @rule(data=st.data(), faults=FAULTS)
    def tell_end(self, data: st.DataObject, faults: dict[int, Fault]) -> None:
        over = sorted(set(self.path.machine.found) - set(self.path.machine.running))
        run_id = data.draw(st.sampled_from(over))
        self.attempt(faults, lambda: self.path.tell_end(run_id))

    @precondition(lambda self: self.path.machine.running)
    @rule()
    def delete(self) -> None:
        (run_id,) = self.path.machine.running
        self.excused.update(self.path.machine.datasets(run_id))
        self.path.machine.delete(run_id)
        self.path.read.pop(run_id, None)

    @precondition(lambda self: self.path.faults.late)
    @rule()
    def what_was_on_its_way_arrives(self) -> None:
        self.path.faults.arrive_late()

    @rule(seconds=st.sampled_from([5, 60, 120]))
    def time_passes(self, seconds: int) -> None:
        """By then every execution is told of."""
        self.path.clock.forward(seconds)
        self.path.machine.hidden.clear()

    # --- what must hold

    @invariant()
    def one_run_at_a_time_and_none_empty(self) -> None:
        self.path.check()

    def teardown(self) -> None:
        self.path.come_to_rest()
        self.path.faults.arrive_late()
        self.path.come_to_rest()
        self.path.check_at_rest()
        self.nothing_was_trained_twice()
        self.the_same_content_starts_nothing()

    def nothing_was_trained_twice(self) -> None:
        seen: set[tuple[str, str]] = set()
        for run_id in sorted(self.path.read):
            if self.path.machine.found[run_id]["status"] != "SUCCEEDED":
                continue
            for read in self.path.read[run_id].items():
                assert read not in seen or read[0] in self.excused, f"{read} twice"
                seen.add(read)

    def the_same_content_starts_nothing(self) -> None:
        before = len(self.path.machine.found)
        for stored in list(self.path.bucket.values()):
            self.path.put(stored.dataset, stored.etag, self.path.lines[stored.etag])
            self.path.deliver(self.path.undelivered[0])
        assert len(self.path.machine.found) == before


TestHistories = pytest.mark.timeout(300)(Histories.TestCase)
TestHistories.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
