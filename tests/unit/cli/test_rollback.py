from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ocr_retrain.connection import Cloud
from ocr_retrain.exits import ExitCode
from ocr_retrain.main import execute

from .fakes import FakeExecution, FakeStepFunctions, load_events
from .test_models import _register, _serve


def deployment(status: str = "SUCCEEDED", cause: str = "") -> FakeExecution:
    return FakeExecution(
        "by-event",
        [load_events("deploying")],
        status=status,
        cause=cause,
        started=datetime.now(UTC) + timedelta(seconds=1),
        state_machine="ocr-retrain-deploy",
    )


@pytest.fixture
def approved(connected: Cloud) -> list[str]:
    """Versions 1 and 2 are approved, 3 is rejected."""
    return [_register(connected, each) for each in ("Approved", "Approved", "Rejected")]


def approval(cloud: Cloud, arn: str) -> str:
    return cloud.sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"]


def test_rollback_rejects_the_live_version_and_waits_for_the_one_before(
    connected: Cloud,
    approved: list[str],
    executions: FakeStepFunctions,
    capsys: pytest.CaptureFixture[str],
) -> None:
    executions.arriving = [deployment()]
    _serve(connected, approved[0])

    assert execute(["rollback", "--yes", "--reason", "misreads sevens"]) == 0

    captured = capsys.readouterr()
    assert "Version 2 will be rejected." in captured.err
    assert "Version 1 will be deployed to endpoint ocr-retrain" in captured.err
    assert captured.out == ("Version 1 serves and passed its smoke test; version 2 is Rejected.\n")
    assert [approval(connected, each) for each in approved] == ["Approved", "Rejected", "Rejected"]
    package = connected.sagemaker.describe_model_package(ModelPackageName=approved[1])
    assert package["ApprovalDescription"] == "misreads sevens"


def test_without_an_event_the_deployment_is_started_by_the_command(
    connected: Cloud,
    approved: list[str],
    executions: FakeStepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ocr_retrain.rolling_back._EVENT_SECONDS", 0.0)
    executions.on_start = lambda name: deployment()
    _serve(connected, approved[0])

    assert execute(["rollback", "--yes", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told == {"rejected_version": 2, "serving_version": 1}
    assert len(executions.executions) == 1


def test_a_deployment_from_before_is_not_taken_for_the_rollback_s(
    connected: Cloud,
    approved: list[str],
    executions: FakeStepFunctions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    earlier = deployment("FAILED", "of something else")
    executions.executions = [earlier]
    executions.arriving = [deployment()]
    executions.arriving[0].name = "later"
    _serve(connected, approved[0])

    assert execute(["rollback", "--yes"]) == 0

    assert earlier.looks == 0


@pytest.mark.parametrize(
    ("served", "status", "told"),
    [
        (0, "FAILED", "The deployment failed: no instances Version 2 stays Rejected"),
        (1, "SUCCEEDED", "version 1 does not serve"),
    ],
)
def test_a_rollback_that_does_not_end_well_says_so(
    connected: Cloud,
    approved: list[str],
    executions: FakeStepFunctions,
    capsys: pytest.CaptureFixture[str],
    served: int,
    status: str,
    told: str,
) -> None:
    executions.arriving = [deployment(status, "no instances" if status == "FAILED" else "")]
    _serve(connected, approved[served])

    assert execute(["rollback", "--yes"]) == ExitCode.FAILED

    assert told in capsys.readouterr().err


def test_rollback_asks_and_changes_nothing_without_an_answer(
    connected: Cloud,
    approved: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)

    assert execute(["rollback"]) == 1

    assert "Nothing was changed." in capsys.readouterr().err
    assert approval(connected, approved[1]) == "Approved"


def test_rollback_says_what_serves_when_it_is_not_the_latest_approved(
    connected: Cloud,
    approved: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _serve(connected, approved[0])
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)

    execute(["rollback"])

    assert "Endpoint ocr-retrain serves version 1 at the moment." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("approvals", "told"),
    [
        ([], "No version is approved"),
        (["Rejected"], "No version is approved"),
        (["Rejected", "Approved"], "Version 2 is the only approved one"),
    ],
)
def test_with_nothing_to_go_back_to_nothing_is_rejected(
    connected: Cloud, capsys: pytest.CaptureFixture[str], approvals: list[str], told: str
) -> None:
    arns = [_register(connected, each) for each in approvals]  # type: ignore[arg-type]

    assert execute(["rollback", "--yes"]) == 1

    assert told in capsys.readouterr().err
    assert [approval(connected, each) for each in arns] == approvals
