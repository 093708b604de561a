from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

from ocr_retrain.history import VisitStatus, Work, WorkKind, read_history

from .fakes import DEPLOY, RUN, load_events

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef


def test_visits_come_in_order_with_their_durations() -> None:
    history = read_history(load_events("promoted"))

    assert history.status == "SUCCEEDED"
    assert [visit.state for visit in history.visits][:4] == [
        "Wait for upload to settle",
        "Validate datasets",
        "Is the upload complete?",
        "Wait for the rest of the upload",
    ]
    first = history.visits[0]
    assert first.left_at is not None
    assert (first.left_at - first.entered_at).total_seconds() == 30


def test_training_in_progress_names_the_job_of_its_latest_attempt() -> None:
    visit = read_history(load_events("training")).visits[-1]

    assert visit.status is VisitStatus.RUNNING
    assert visit.attempts == 2
    assert visit.works[-1] == Work(WorkKind.TRAINING, f"ocr-retrain-{RUN}-train-d1")
    assert "service limit" in visit.cause


def test_attempt_that_failed_while_the_next_one_waits_is_retrying() -> None:
    recorded = load_events("training")
    failed = next(i for i, event in enumerate(recorded) if event["type"] == "TaskFailed")

    assert read_history(recorded[: failed + 1]).visits[-1].status is VisitStatus.RETRYING


def test_nested_execution_is_known_by_its_arn() -> None:
    visits = read_history(load_events("promoted")).visits
    deploy = next(visit for visit in visits if visit.state == "Deploy endpoint")

    assert deploy.works == (Work(WorkKind.EXECUTION, DEPLOY),)


def test_caught_error_marks_the_state_failed_but_not_the_execution() -> None:
    history = read_history(load_events("promoted"))
    announce = next(visit for visit in history.visits if visit.state == "Announce result")

    assert announce.status is VisitStatus.FAILED
    assert announce.error == "SNS.AuthorizationErrorException"
    assert history.visits[-1].status is VisitStatus.DONE


def test_failed_execution_keeps_error_and_cause_and_fails_its_last_state() -> None:
    history = read_history(load_events("failed"))

    assert history.status == "FAILED"
    assert history.cause == "The labels use 3 characters that no image shows."
    assert history.visits[-1].state == "Failed"
    assert history.visits[-1].status is VisitStatus.FAILED
    assert history.is_over


def test_aborted_execution_leaves_no_state_running() -> None:
    recorded = load_events("training")
    moment = recorded[-1]["timestamp"]
    end: HistoryEventTypeDef = {"id": 999, "type": "ExecutionAborted", "timestamp": moment}

    history = read_history([*recorded, end])

    assert history.status == "ABORTED"
    assert history.visits[-1].status is VisitStatus.FAILED
    assert history.visits[-1].left_at == moment


def test_events_of_parallel_branches_belong_to_their_own_states() -> None:
    def event(number: int, kind: str, previous: int, **details: object) -> HistoryEventTypeDef:
        about = {"id": number, "type": kind, "previousEventId": previous, "timestamp": moment}
        return cast("HistoryEventTypeDef", {**about, **details})

    def entered(name: str) -> dict[str, str]:
        return {"name": name}

    moment = datetime(2026, 11, 20)
    failure = {"error": "States.Timeout", "cause": "too slow"}
    history = read_history(
        [
            event(1, "ExecutionStarted", 0),
            event(2, "ParallelStateEntered", 0, stateEnteredEventDetails=entered("Both")),
            event(3, "TaskStateEntered", 2, stateEnteredEventDetails=entered("Left")),
            event(4, "TaskStateEntered", 2, stateEnteredEventDetails=entered("Right")),
            event(5, "TaskScheduled", 3, taskScheduledEventDetails={"parameters": "not JSON"}),
            event(6, "TaskScheduled", 4),
            event(7, "TaskFailed", 5, taskFailedEventDetails=failure),
        ]
    )

    by_name = {visit.state: visit for visit in history.visits}
    assert by_name["Left"].status is VisitStatus.RETRYING
    assert by_name["Right"].status is VisitStatus.RUNNING
    assert by_name["Right"].attempts == 1
