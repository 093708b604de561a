"""Runs of the SageMaker pipeline: they share the lock, and end in the ledger like all runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from retraining import names
from retraining.announcing_pipeline import read
from retraining.claiming import Claims, OutdatedPipelineError, RunRefusedError, check_up_to_date
from retraining.ledger_items import Pause, Run
from retraining.pipeline_executions import LONGEST_OUTPUT, PipelineExecutions
from retraining.run_request import (
    NotYetError,
    check_trainable,
    check_unpacked,
    dataset_names,
)

from .conftest import EVENTS, NOW
from .event_path import LABELS, EventPath
from .pipeline_cloud import ARN, Execution, PipelineCloud

OTHER = f"{ARN}2"


@pytest.fixture
def cloud() -> PipelineCloud:
    return PipelineCloud({ARN: Execution(), OTHER: Execution()})


@pytest.fixture
def path(cloud: PipelineCloud) -> EventPath:
    path = EventPath()
    pipelines = PipelineExecutions(cloud)  # type: ignore[arg-type]
    path.reconciler = replace(path.reconciler, pipelines=pipelines)
    return path


@pytest.fixture
def waiting(path: EventPath) -> EventPath:
    """A path with two uploads that wait because runs are paused."""
    path.ledger.pause(Pause("2026", "ada", "trained from Studio"))
    for name in ("meters", "plates"):
        path.put(name, f"{name}-1")
    for event in list(path.undelivered):
        path.deliver(event)
    assert not path.machine.running
    return path


def claim(path: EventPath, arn: str = ARN, *wanted: str) -> Run:
    return Claims(path.reconciler).claim(arn, wanted)


def states(path: EventPath) -> dict[str, str]:
    return {each.name: each.state for each in path.ledger.datasets()}


def validated(path: EventPath, run: Run) -> None:
    """Do what the validation of a run does to the ledger."""
    for name in run.datasets:
        path.ledger.take_upload(
            name, LABELS, read_etag=f"{name}-1", known_etag=f"{name}-1", run_id=run.run_id
        )


# --- the lock


def test_a_pipeline_takes_all_that_waits_though_runs_are_paused(waiting: EventPath) -> None:
    run = claim(waiting)
    assert run.datasets == ("meters", "plates")
    assert states(waiting) == {"meters": "in_run", "plates": "in_run"}
    lock = waiting.ledger.lock()
    assert lock
    assert (lock.run_id, lock.execution_arn) == (run.run_id, ARN)


def test_a_pipeline_takes_only_what_was_named(waiting: EventPath) -> None:
    assert claim(waiting, ARN, "plates").datasets == ("plates",)
    assert states(waiting)["meters"] == "waiting"


def test_a_second_call_of_the_same_execution_gets_the_same_run(waiting: EventPath) -> None:
    assert claim(waiting) == claim(waiting)


def test_a_second_execution_is_refused_while_one_is_at_work(waiting: EventPath) -> None:
    run = claim(waiting)
    with pytest.raises(RunRefusedError, match=f"Run {run.run_id} is at work"):
        claim(waiting, OTHER, "plates")


def test_a_pipeline_is_refused_while_the_state_machine_is_at_work(path: EventPath) -> None:
    path.put("meters", "meters-1")
    path.deliver(path.undelivered[0])
    (run_id,) = path.machine.running
    with pytest.raises(RunRefusedError, match=f"Run {run_id} is at work"):
        claim(path)


def test_the_state_machine_waits_while_a_pipeline_is_at_work(waiting: EventPath) -> None:
    claim(waiting)
    waiting.ledger.resume()
    waiting.put("signs", "signs-1")
    waiting.deliver(waiting.bucket["signs"])
    waiting.schedule()
    assert not waiting.machine.running


def test_uploads_during_a_pipeline_start_a_run_when_it_has_ended(
    waiting: EventPath, cloud: PipelineCloud
) -> None:
    validated(waiting, claim(waiting))
    waiting.ledger.resume()
    waiting.put("signs", "signs-1")
    waiting.deliver(waiting.bucket["signs"])
    cloud.executions[ARN].answered("Register", approval_status="Approved", package_arn="arn:p/2")
    cloud.executions[ARN].status = "Succeeded"
    waiting.schedule()
    (run_id,) = waiting.machine.running
    assert waiting.machine.datasets(run_id) == ["signs"]


def test_a_pipeline_that_finds_nothing_waiting_is_told_so(path: EventPath) -> None:
    with pytest.raises(RunRefusedError, match="No dataset waits"):
        claim(path)


def test_a_dataset_that_nobody_knows_is_refused_by_name(waiting: EventPath) -> None:
    with pytest.raises(RunRefusedError, match="No dataset is named labels, meter"):
        claim(waiting, ARN, "meter", "labels", "plates")
    assert waiting.ledger.lock() is None


def test_datasets_whose_names_are_too_long_together_wait_for_the_next_run(path: EventPath) -> None:
    path.ledger.pause(Pause("2026", "ada", ""))
    long = [f"{number}{'x' * 200}" for number in range(6)]
    for name in long:
        path.put(name, f"{name}-1")
        path.deliver(path.bucket[name])
    run = claim(path)
    assert 0 < len(run.datasets) < 6
    assert len(names.dataset_ids(run.datasets)) <= LONGEST_OUTPUT
    assert sum(state == "waiting" for state in states(path).values()) == 6 - len(run.datasets)


# --- the end


@pytest.mark.parametrize(
    ("approval", "outcome", "state"),
    [
        ("Approved", "Promoted", "trained"),
        ("PendingManualApproval", "Awaiting approval", "trained"),
        ("Rejected", "Rejected", "rejected"),
    ],
)
def test_the_end_of_a_pipeline_is_the_end_of_its_run(
    waiting: EventPath, cloud: PipelineCloud, approval: str, outcome: str, state: str
) -> None:
    run = claim(waiting)
    for name in run.datasets:
        waiting.ledger.take_upload(
            name, LABELS, read_etag=f"{name}-1", known_etag=f"{name}-1", run_id=run.run_id
        )
    execution = cloud.executions[ARN]
    execution.answered("Validate", outcome="", reason="")
    execution.answered("Judge", promote="true", headline="Better by far.")
    execution.answered("Register", approval_status=approval, package_arn="arn:package/2")
    execution.status = "Succeeded"
    described = PipelineExecutions(cloud).describe(run.run_id, ARN)  # type: ignore[arg-type]
    assert described
    assert described.ended
    assert described.ended.output == {
        "outcome": outcome,
        "reason": "Better by far.",
        "package_arn": "arn:package/2",
    }
    waiting.schedule()
    assert waiting.ledger.lock() is None
    known = waiting.ledger._table.get({"pk": "RUN", "sk": run.run_id})
    assert known
    assert (known["outcome"], known["package_arn"]) == (outcome, "arn:package/2")


def test_a_failed_step_is_the_reason_and_its_data_waits(
    waiting: EventPath, cloud: PipelineCloud
) -> None:
    run = claim(waiting)
    reason = "ClientError: AlgorithmError: no font has a glyph for U+1F600, exit code: 1"
    cloud.executions[ARN].failed("Train", reason)
    waiting.schedule()
    assert waiting.ledger.lock() is None
    assert set(states(waiting).values()) == {"waiting"}
    known = waiting.ledger._table.get({"pk": "RUN", "sk": run.run_id})
    assert known
    assert known["outcome"] == "Failed"
    assert known["reason"].startswith("Train: ")
    assert "no font has a glyph for U+1F600" in known["reason"]


def test_a_pipeline_that_found_nothing_to_train_on_has_not_failed(
    waiting: EventPath, cloud: PipelineCloud
) -> None:
    run = claim(waiting)
    execution = cloud.executions[ARN]
    execution.answered("Validate", outcome="Nothing to train", reason="No image was found.")
    execution.failed("Plan", "NotYetError: Nothing to train: No image was found.")
    validated(waiting, run)
    waiting.schedule()
    known = waiting.ledger._table.get({"pk": "RUN", "sk": run.run_id})
    assert known
    assert (known["outcome"], known["reason"]) == ("Nothing to train", "No image was found.")
    assert set(states(waiting).values()) == {"nothing_usable"}


@pytest.mark.parametrize(
    ("status", "outcome"), [("Stopped", "Aborted"), ("CompletedWithFailures", "Failed")]
)
def test_a_pipeline_that_is_stopped_gives_the_lock_back(
    waiting: EventPath, cloud: PipelineCloud, status: str, outcome: str
) -> None:
    run = claim(waiting)
    cloud.executions[ARN].status = status
    waiting.schedule()
    assert waiting.ledger.lock() is None
    known = waiting.ledger._table.get({"pk": "RUN", "sk": run.run_id})
    assert known
    assert known["outcome"] == outcome


def test_a_deleted_pipeline_does_not_keep_the_lock_for_ever(
    waiting: EventPath, cloud: PipelineCloud
) -> None:
    claim(waiting)
    del cloud.executions[ARN]
    waiting.clock.forward(600)
    waiting.schedule()
    assert waiting.ledger.lock() is None
    assert not waiting.machine.found, "the state machine must not take over a pipeline's run"


def test_a_function_killed_before_it_confirmed_the_start_leaves_a_run_that_goes_on(
    waiting: EventPath,
) -> None:
    run = Run("20261122-101545-aaaaaa", ARN, ("meters",), NOW)
    assert waiting.ledger.begin_run(run, waiting.ledger.datasets())
    waiting.schedule()
    assert not waiting.machine.found
    assert claim(waiting) == run


# --- what cannot be asked with a condition


def test_a_pipeline_made_from_other_parameters_is_refused() -> None:
    check_up_to_date("image:1 ml.g5.xlarge", "image:1 ml.g5.xlarge")
    with pytest.raises(OutdatedPipelineError, match="python -m pipelines upsert"):
        check_up_to_date("image:1 ml.g5.xlarge", "image:2 ml.g5.xlarge")


def test_half_an_archive_is_not_validated() -> None:
    check_unpacked(unfinished=False)
    with pytest.raises(NotYetError, match="goes on where it stopped"):
        check_unpacked(unfinished=True)


def test_nothing_is_planned_for_what_a_validation_refused() -> None:
    check_trainable("", "", 0)
    with pytest.raises(NotYetError, match="Waiting for more data: 3 lines"):
        check_trainable("Waiting for more data", "3 lines are too few.", 0)
    with pytest.raises(NotYetError, match="shares them out"):
        check_trainable("", "", 4)


def test_datasets_may_come_as_text() -> None:
    assert dataset_names('["a", "b\\"c"]') == ["a", 'b"c']


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("validate_dataset", {"started_at": "2026-11-22T10:00:00Z", "unfinished": True}),
        ("plan_training", {"outcome": "Nothing to train", "reason": "No line."}),
    ],
)
def test_the_steps_refuse_what_the_step_before_refused(
    invoke: Callable[[str, dict[str, Any]], Any], name: str, request_: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match=r"archives are larger|ledger knows no active run"):
        invoke(name, {"run_id": "20261122-101545-aaaaaa", "datasets": '["meters"]', **request_})


# --- announcing


def event() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (EVENTS / "sagemaker_pipeline_execution_succeeded.json").read_text(encoding="utf-8")
    )
    return found


def test_people_are_told_what_came_of_it(cloud: PipelineCloud) -> None:
    execution = cloud.executions[ARN]
    execution.answered("Begin", run_id="20261122-101545-aaaaaa", datasets='["meters"]')
    execution.answered("Judge", headline="Better by far.")
    execution.answered("Report", report_uri="s3://bucket/runs/r/report.html")
    execution.answered("Register", approval_status="Approved", package_arn="arn:package/2")
    execution.status = "Succeeded"
    request = read(event(), PipelineExecutions(cloud))  # type: ignore[arg-type]
    assert request
    assert (request.run_id, request.datasets) == ("20261122-101545-aaaaaa", ["meters"])
    assert request.execution_arn == ARN
    assert (request.result.outcome, request.result.reason) == ("Promoted", "Better by far.")
    assert request.report.report_uri == "s3://bucket/runs/r/report.html"


def test_an_execution_that_never_got_the_lock_is_no_run_to_announce(cloud: PipelineCloud) -> None:
    cloud.executions[ARN].failed("Begin", "RunRefusedError: Run x is at work.")
    assert read(event(), PipelineExecutions(cloud)) is None  # type: ignore[arg-type]
