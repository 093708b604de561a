from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ocr_retrain.executions import Execution
from ocr_retrain.main import app
from ocr_retrain.outcome import Outcome, result_of
from retraining.announcing_next_steps import after_run

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def _execution(status: str, output: str = "", cause: str = "", error: str = "") -> Execution:
    return Execution("arn", "run-1", status, NOW, NOW, '{"datasets":["a"]}', output, error, cause)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Promoted", 0),
        ("Awaiting approval", 10),
        ("Rejected", 11),
        ("Nothing to train", 12),
        ("Waiting for more data", 15),
    ],
)
def test_named_outcome_has_its_exit_code(name: str, code: int) -> None:
    output = json.dumps({"outcome": name, "reason": "because", "verdict": {"headline": "h"}})

    result = result_of(_execution("SUCCEEDED", output))

    assert result.outcome == name
    assert result.exit_code == code
    assert result.reason == "because"
    assert result.datasets == ("a",)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("FAILED", "Failed"), ("ABORTED", "Aborted"), ("TIMED_OUT", "Timed out")],
)
def test_execution_that_did_not_succeed_exits_with_13(status: str, outcome: str) -> None:
    result = result_of(_execution(status, cause="The disk\n is full."))

    assert result.outcome == outcome
    assert result.exit_code == 13
    assert result.reason == "The disk is full."


def test_running_execution_exits_with_14() -> None:
    assert result_of(_execution("RUNNING")).exit_code == 14


@pytest.mark.parametrize("output", ["", "[]", '{"outcome":"Unheard of"}', "not JSON"])
def test_success_without_a_known_outcome_is_a_failure(output: str) -> None:
    result = result_of(_execution("SUCCEEDED", output))

    assert result.outcome is Outcome.FAILED
    assert "without naming an outcome" in result.reason


def test_unreadable_input_means_no_datasets() -> None:
    assert result_of(Execution("arn", "r", "RUNNING", NOW, None, "??")).datasets == ()


def test_the_next_step_is_the_one_that_the_notification_tells() -> None:
    package = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/ocr-retrain/7"
    output = json.dumps({"outcome": "Awaiting approval", "package_arn": package})

    told = result_of(_execution("SUCCEEDED", output)).next_steps

    assert told == after_run("Awaiting approval", "run-1", ("a",), 7)
    assert told[0].command == "ocr-retrain approve 7"


def test_a_run_that_goes_on_has_no_next_step() -> None:
    assert result_of(_execution("RUNNING")).next_steps == ()


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.RUNNING])
def test_every_command_that_is_told_is_one_of_ours(outcome: Outcome) -> None:
    known = {command.name for command in app.registered_commands}
    for step in after_run(outcome, "run-1", ("a",), 7):
        name, verb = step.command.split()[:2]
        assert name == "ocr-retrain"
        assert verb in known
