"""The reconciler: killed after any call, refused at any call, told late, twice or never."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from retraining.decision import Action, Policy
from retraining.ledger import ContendedError
from retraining.ledger_items import Pause, Run

from .conftest import NOW, RUN
from .event_path import LABELS, EventPath
from .memory_cloud import Fault, Faults, KilledError, refusal

Step = Callable[[EventPath], None]


@pytest.fixture
def path() -> EventPath:
    return EventPath()


def first_run(path: EventPath, *datasets: str) -> str:
    for name in datasets or ("meters",):
        path.put(name, f"{name}-1")
    for event in list(path.undelivered):
        path.deliver(event)
    (run_id,) = path.machine.running
    return run_id


# --- every fault at every call


def arrival(path: EventPath) -> None:
    path.deliver(path.bucket["meters"])


def second_arrival(path: EventPath) -> None:
    path.deliver(path.bucket["plates"])


def validation(path: EventPath) -> None:
    path.validate(path.machine.running[0])


def the_end(path: EventPath) -> None:
    path.tell_end(next(iter(path.machine.found)))


def the_schedule(path: EventPath) -> None:
    path.schedule()


def dropped(path: EventPath) -> None:
    path.put("meters", "meters-1")


def during_a_run(path: EventPath) -> None:
    first_run(path)
    path.put("plates", "plates-1")


def ended(path: EventPath, status: str = "SUCCEEDED") -> None:
    run_id = first_run(path)
    path.validate(run_id)
    path.put("plates", "plates-1")
    path.deliver(path.bucket["plates"])
    path.clock.forward(60)
    path.end(run_id, status)


def aborted(path: EventPath) -> None:
    ended(path, "ABORTED")


def begun_but_not_started(path: EventPath) -> None:
    path.put("meters", "meters-1")
    path.faults.plan({})
    arrival_calls = calls_of(dropped, arrival)
    path.faults.plan({arrival_calls.index("StartExecution"): Fault.KILLED_BEFORE})
    assert not path.attempt(lambda: arrival(path))
    path.faults.plan({})


SCENES: list[tuple[Step, Step]] = [
    (dropped, arrival),
    (during_a_run, second_arrival),
    (during_a_run, validation),
    (ended, the_end),
    (ended, the_schedule),
    (aborted, the_end),
    (aborted, the_schedule),
    (begun_but_not_started, the_schedule),
    (begun_but_not_started, arrival),
]


def calls_of(scene: Step, step: Step) -> list[str]:
    path = EventPath()
    scene(path)
    path.faults.plan({})
    step(path)
    return list(path.faults.calls)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(
    ("scene", "step"), SCENES, ids=lambda each: each.__name__ if callable(each) else str(each)
)
def test_nothing_is_lost_or_doubled_whichever_call_fails(
    scene: Step, step: Step, fault: Fault
) -> None:
    calls = calls_of(scene, step)
    assert len(calls) >= 3
    for number in range(len(calls)):
        path = EventPath()
        scene(path)
        path.faults.plan({number: fault})
        path.attempt(lambda path=path: step(path))  # type: ignore[misc]
        path.faults.plan({})
        path.check()
        path.come_to_rest()
        path.faults.arrive_late()
        path.come_to_rest()
        path.check_at_rest()
        trained = [name for read in path.read.values() for name in read]
        failures = 1 if scene is aborted else 0
        assert len(trained) <= len(path.bucket) + failures, f"trained twice after {calls[number]}"


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.ANSWER_LOST, Fault.CONFLICT])
def test_a_cloud_that_fails_throughout_loses_nothing(fault: Fault) -> None:
    path = EventPath()
    dropped(path)
    for first in range(12):
        path.faults.plan(dict.fromkeys(range(first, 40), fault))
        path.attempt(lambda: arrival(path))
    path.come_to_rest()
    path.check_at_rest()
    assert len(path.machine.found) == 1


# --- starting


def test_a_start_whose_answer_was_lost_is_not_started_again(path: EventPath) -> None:
    dropped(path)
    number = calls_of(dropped, arrival).index("StartExecution")
    path.faults.plan({number: Fault.ANSWER_LOST})
    path.deliver(path.bucket["meters"])
    path.faults.plan({})
    assert path.reconciler.reconcile().action == Action.ACTIVE
    assert len(path.machine.found) == 1
    lock = path.ledger.lock()
    assert lock
    assert lock.started_at


def test_a_refused_start_is_tried_again_under_its_name_and_says_why(path: EventPath) -> None:
    dropped(path)
    number = calls_of(dropped, arrival).index("StartExecution")
    path.faults.plan({number: Fault.THROTTLED})
    path.deliver(path.bucket["meters"])
    path.faults.plan({})
    lock = path.ledger.lock()
    assert lock
    assert "ThrottlingException" in lock.problem
    assert path.machine.found == {}
    done = path.reconciler.reconcile()
    assert (done.action, done.run_id) == ("started", lock.run_id)
    assert path.machine.running == [lock.run_id]


def test_a_refusal_is_told_to_the_schedule(path: EventPath) -> None:
    begun_but_not_started(path)
    number = calls_of(begun_but_not_started, the_schedule).index("StartExecution")
    path.faults.plan({number: Fault.THROTTLED})
    with pytest.raises(ClientError):
        path.schedule()


def test_an_unreachable_cloud_is_told_to_the_schedule(path: EventPath) -> None:
    path.faults.plan({0: Fault.ANSWER_LOST})
    with pytest.raises(BotoCoreError):
        path.schedule()


def test_a_function_that_wakes_late_starts_no_second_run(path: EventPath) -> None:
    """It was frozen between taking the lock and the start; others have done the run since."""
    begun_but_not_started(path)
    lock = path.ledger.lock()
    assert lock
    path.schedule()
    path.validate(lock.run_id)
    path.end(lock.run_id)
    path.tell_end(lock.run_id)
    path.put("plates", "plates-1")
    path.deliver(path.bucket["plates"])
    (second,) = path.machine.running
    late = Run(lock.run_id, "arn", ("meters",), path.clock.now)
    done = path.reconciler._start(late)
    assert done.run_id == lock.run_id
    assert path.machine.running == [second]
    path.check()


def test_an_execution_that_is_not_told_of_yet_is_believed(path: EventPath) -> None:
    run_id = first_run(path)
    path.machine.hidden.add(run_id)
    path.clock.forward(299)
    assert path.reconciler.reconcile().action == Action.ACTIVE
    assert len(path.machine.found) == 1


def test_a_started_run_that_is_not_told_of_and_never_confirmed_is_one_run(path: EventPath) -> None:
    dropped(path)
    calls = calls_of(dropped, arrival)
    path.faults.plan({calls.index("StartExecution"): Fault.KILLED_AFTER})
    path.attempt(lambda: arrival(path))
    path.faults.plan({})
    path.machine.hidden.update(path.machine.running)
    path.schedule()
    assert len(path.machine.found) == 1


# --- ending


def test_an_end_that_is_told_before_the_start_is_confirmed_counts(path: EventPath) -> None:
    dropped(path)
    calls = calls_of(dropped, arrival)
    path.faults.plan({calls.index("StartExecution"): Fault.KILLED_AFTER})
    path.attempt(lambda: arrival(path))
    path.faults.plan({})
    (run_id,) = path.machine.running
    path.validate(run_id)
    path.end(run_id)
    path.tell_end(run_id)
    path.come_to_rest()
    path.check_at_rest()
    assert len(path.machine.found) == 1


def test_a_lost_terminal_event_is_healed_by_looking(path: EventPath) -> None:
    run_id = first_run(path)
    path.validate(run_id)
    path.end(run_id)
    path.schedule()
    path.check_at_rest()


def test_a_terminal_event_told_again_leaves_the_next_run_alone(path: EventPath) -> None:
    ended(path)
    (first,) = path.machine.found
    path.tell_end(first)
    (second,) = path.machine.running
    before = json.dumps(sorted(path.table.items.items()), default=str)
    path.tell_end(first)
    assert path.machine.running == [second]
    assert json.dumps(sorted(path.table.items.items()), default=str) == before


def test_a_deleted_execution_gives_its_datasets_another_run(path: EventPath) -> None:
    run_id = first_run(path)
    path.validate(run_id)
    path.machine.delete(run_id)
    path.clock.forward(301)
    done = path.reconciler.reconcile()
    assert (done.action, done.datasets) == ("started", ("meters",))
    assert done.run_id != run_id
    assert path.table.items["RUN", run_id]["outcome"] == "Lost"


def test_executions_that_are_always_deleted_are_given_up(path: EventPath) -> None:
    first_run(path)
    for _ in range(5):
        for run_id in path.machine.running:
            path.machine.delete(run_id)
        path.clock.forward(301)
        path.schedule()
    assert path.machine.found == {}
    (dataset,) = path.ledger.datasets()
    assert (dataset.state, dataset.attempts) == ("waiting", 3)
    assert dataset.reason.startswith("Its execution is gone")
    assert path.ledger.lock() is None


def test_a_lock_whose_run_nobody_knows_is_given_up(path: EventPath) -> None:
    begun_but_not_started(path)
    lock = path.ledger.lock()
    assert lock
    del path.table.items["RUN", lock.run_id]
    path.schedule()
    assert path.table.items["RUN", lock.run_id]["outcome"] == "Lost"
    path.come_to_rest()
    path.check_at_rest()
    assert len(path.machine.found) == 1


def test_a_validation_that_outlives_its_aborted_run_changes_no_state(path: EventPath) -> None:
    run_id = first_run(path)
    path.end(run_id, "ABORTED")
    path.tell_end(run_id)
    path.validate(run_id)
    (dataset,) = path.ledger.datasets()
    assert (dataset.state, dataset.attempts) == ("waiting", 1)
    path.come_to_rest()
    assert len(path.machine.found) == 1


def test_what_only_a_validation_of_an_aborted_run_has_read_gets_a_run(path: EventPath) -> None:
    run_id = first_run(path)
    path.end(run_id, "ABORTED")
    path.tell_end(run_id)
    path.put("meters", "meters-2")
    path.validate(run_id)
    path.deliver(path.bucket["meters"])
    (second,) = path.machine.running
    assert path.machine.datasets(second) == ["meters"]


def test_a_validation_that_outlives_two_runs_does_not_take_back_what_was_read(
    path: EventPath,
) -> None:
    run_id = first_run(path)
    path.validate(run_id)
    path.end(run_id)
    path.tell_end(run_id)
    path.clock.forward(60)
    path.put("meters", "meters-2")
    path.deliver(path.bucket["meters"])
    (second,) = path.machine.running
    path.validate(second)
    path.ledger.take_upload(
        "meters", LABELS, read_etag="meters-1", known_etag="meters-1", run_id=run_id
    )
    assert path.ledger.pending_uploads() == ()


def test_a_failed_run_is_not_repeated_but_rides_along(path: EventPath) -> None:
    run_id = first_run(path)
    path.clock.forward(60)
    path.end(run_id, "FAILED")
    path.tell_end(run_id)
    for event in path.delivered:
        path.deliver(event)
    assert path.machine.running == []
    path.put("plates", "plates-1")
    path.deliver(path.bucket["plates"])
    (second,) = path.machine.running
    assert path.machine.datasets(second) == ["plates", "meters"]


def test_news_that_came_before_a_failure_start_another_run(path: EventPath) -> None:
    run_id = first_run(path)
    path.put("meters", "meters-2")
    path.deliver(path.bucket["meters"])
    path.end(run_id, "FAILED")
    path.tell_end(run_id)
    (second,) = path.machine.running
    assert path.machine.datasets(second) == ["meters"]


def test_a_dataset_left_in_a_run_that_is_over_does_not_block_the_others(path: EventPath) -> None:
    run_id = first_run(path)
    path.validate(run_id)
    path.end(run_id)
    path.tell_end(run_id)
    path.table.items["DATASET", "meters"]["state"] = "in_run"
    path.put("plates", "plates-1")
    path.deliver(path.bucket["plates"])
    (second,) = path.machine.running
    assert set(path.machine.datasets(second)) == {"plates", "meters"}


# --- races


def test_a_lock_that_is_lost_to_another_function_is_left_to_it(path: EventPath) -> None:
    dropped(path)
    path.faults.planned = {}
    original = path.ledger.begin_run

    def overtaken(run: Run, known: object) -> bool:
        other = Run(RUN, "arn", ("meters",), NOW)
        if path.ledger.lock() is None:
            assert original(other, path.ledger.datasets())
        return original(run, known)  # type: ignore[arg-type]

    path.ledger.begin_run = overtaken  # type: ignore[method-assign]
    path.deliver(path.bucket["meters"])
    assert path.machine.running == [RUN]


def test_a_function_that_loses_every_race_gives_way(path: EventPath) -> None:
    dropped(path)
    path.ledger.begin_run = lambda run, known: False  # type: ignore[method-assign,assignment]
    path.ledger.record_upload(path.bucket["meters"], NOW)
    assert path.reconciler.reconcile().action == Action.ACTIVE
    assert path.machine.found == {}


def test_an_upload_that_loses_every_race_is_brought_again(path: EventPath) -> None:
    dropped(path)

    def refuse(**request: object) -> None:
        reasons = [{"Code": "ConditionalCheckFailed"}]
        raise refusal(
            "TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons
        )

    path.table.transact_write_items = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(ContendedError):
        path.deliver(path.bucket["meters"])
    assert path.undelivered


# --- what people decide


def test_while_paused_nothing_begins_and_nothing_is_lost(path: EventPath) -> None:
    path.ledger.pause(Pause("2026", "anna", ""))
    dropped(path)
    path.deliver(path.bucket["meters"])
    assert path.reconciler.reconcile().action == Action.PAUSED
    assert path.machine.found == {}
    path.ledger.resume()
    assert path.reconciler.reconcile().action == "started"


def test_a_run_that_was_begun_but_not_started_waits_while_paused(path: EventPath) -> None:
    begun_but_not_started(path)
    path.ledger.pause(Pause("2026", "anna", ""))
    assert path.reconciler.reconcile().action == Action.PAUSED
    assert path.machine.found == {}


def test_a_run_that_ends_while_paused_is_recorded(path: EventPath) -> None:
    run_id = first_run(path)
    path.validate(run_id)
    path.ledger.pause(Pause("2026", "anna", ""))
    path.end(run_id)
    path.tell_end(run_id)
    path.check_at_rest()


def test_a_dataset_queued_by_hand_gets_a_run_of_its_own(path: EventPath) -> None:
    run_id = first_run(path)
    path.end(run_id, "FAILED")
    path.tell_end(run_id)
    assert path.ledger.queue("meters", path.clock.now)
    assert path.reconciler.reconcile().datasets == ("meters",)


def test_few_lines_wait_for_more_or_for_their_time() -> None:
    path = EventPath(policy=Policy(min_new_lines=25, max_wait=timedelta(hours=1)))
    for number, name in enumerate(("meters", "plates")):
        path.put(name, f"{name}-{number}", lines=10)
        path.deliver(path.bucket[name])
    assert path.reconciler.reconcile().action == Action.WAIT
    decided = path.ledger.last_decision()
    assert decided
    assert decided.reason.startswith("20 of 25 new lines")
    path.clock.forward(3600)
    assert path.reconciler.reconcile().datasets == ("meters", "plates")


def test_enough_lines_together_start_a_run_at_once() -> None:
    path = EventPath(policy=Policy(min_new_lines=20, max_wait=timedelta(hours=1)))
    for name in ("meters", "plates"):
        path.put(name, f"{name}-1", lines=10)
        path.deliver(path.bucket[name])
    assert len(path.machine.running) == 1


def test_a_killed_process_is_no_error_that_could_be_caught() -> None:
    assert not issubclass(KilledError, Exception)
    with pytest.raises(KilledError):
        Faults({0: Fault.KILLED_BEFORE}).call("GetItem", lambda: None)
