"""What is not left to chance."""

from __future__ import annotations

import pytest
from tests.chaos import handlers
from tests.chaos.faults import CallFault, StepFault
from tests.chaos.points import Point
from tests.chaos.report import Tally
from tests.chaos.scenarios import SCENARIOS

CALL = "start_retraining (uploads): call 3 dynamodb.GetItem"
ABORT = Point("step 7 in `Plan training`", StepFault.RUN_ABORTED)
KILL = Point(CALL, CallFault.KILLED_AFTER)
OURS = frozenset({"start_retraining"})


def test_in_every_state_there_are_uploads_and_aborts() -> None:
    assert ABORT.due(OURS) == {"Plan training: execution aborted"}
    assert not Point("step 7", StepFault.RUN_ABORTED).due(OURS)
    assert not Point(ABORT.where, StepFault.PAUSED).due(OURS)


def test_a_function_is_killed_after_each_of_its_calls() -> None:
    assert len(KILL.due(OURS)) == 2
    later = Point(CALL.replace("call 3", "call 4"), CallFault.KILLED_AFTER)
    assert later.due(OURS) - KILL.due(OURS)


def test_every_operation_has_every_fault_once() -> None:
    first, second = (Point(CALL.replace("3", n), CallFault.THROTTLED) for n in "34")
    assert first.due(OURS) == second.due(OURS)
    assert not first.due(frozenset({"plan_training"}))
    assert not first.due(frozenset())


def test_every_function_of_the_first_layer_is_gone_through_in_some_story() -> None:
    through = frozenset[str]().union(*(each.gone_through for each in SCENARIOS))
    assert through == {
        "start_retraining",
        "unpack_archives",
        "validate_dataset",
        "check_images",
        "finish_validation",
        "plan_training",
        "judge_candidate",
        "register_model",
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_due_is_taken_once_whatever_the_seed(seed: int) -> None:
    scenario = next(each for each in SCENARIOS if each.gone_through == {"unpack_archives"})
    share = handlers._Share(seed, 0.0, 0.0, float("inf"), has_dues=True)
    known: set[str] = set()
    point = Point("unpack_archives (Unpack archives): call 1 s3.ListObjectsV2", "throttled once")
    assert share.has(scenario, 1, point, known)
    assert not share.has(scenario, 2, point, known)


def test_the_report_tells_where_faults_were_injected() -> None:
    tally = Tally()
    told = {"harmed": [f"{CALL}: {CallFault.KILLED_AFTER}"], "why": "", "log": [], "waits": False}
    tally.add([[["", ""], told]] * 2, "a story")
    aborted = f"{ABORT.where}: {ABORT.kind}"
    tally.add([[["", ""], {**told, "harmed": [aborted]}]], "a story")
    tally = Tally.from_json(tally.as_json())
    places = tally.places().splitlines()
    assert "  Plan training: 0, 1" in places
    assert "  dynamodb.GetItem: 2" in places
    assert "  start_retraining: 1" in places
