import json

import pytest

from retraining.failure import explain

TRAINING = {
    "TrainingJobName": "ocr-retrain-r1-train-1",
    "TrainingJobStatus": "Failed",
    "FailureReason": (
        'AlgorithmError: Traceback (most recent call last):\n  File "train", line 3\n'
        "The labels name no image that can be read., exit code: 1"
    ),
}


def test_a_training_job_is_explained_by_the_script_s_own_last_line() -> None:
    explanation = explain("States.TaskFailed", json.dumps(TRAINING))
    assert explanation.reason == (
        "ocr-retrain-r1-train-1: The labels name no image that can be read."
    )
    assert explanation.detail == json.dumps(TRAINING)


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [
        (
            "States.TaskFailed",
            json.dumps(
                {
                    "ProcessingJobName": "p-1",
                    "FailureReason": "AlgorithmError: See job logs for more information",
                    "ExitMessage": "Loading\nThe candidate's dictionary is empty.\n",
                }
            ),
            "p-1: The candidate's dictionary is empty.",
        ),
        (
            "States.TaskFailed",
            json.dumps({"FailureReason": "CapacityError: Unable to provision ML compute capacity"}),
            "CapacityError: Unable to provision ML compute capacity",
        ),
        (
            "NoChampionError",
            json.dumps(
                {
                    "errorMessage": "No approved model in group g. Run `ocr-retrain bootstrap`.",
                    "errorType": "NoChampionError",
                    "stackTrace": ["..."],
                }
            ),
            "No approved model in group g. Run `ocr-retrain bootstrap`.",
        ),
        (
            "States.TaskFailed",
            json.dumps(
                {
                    "ExecutionArn": "arn:...",
                    "Status": "FAILED",
                    "Error": "States.TaskFailed",
                    "Cause": json.dumps(TRAINING),
                }
            ),
            "ocr-retrain-r1-train-1: The labels name no image that can be read.",
        ),
        (
            "States.TaskFailed",
            json.dumps({"ExecutionArn": "arn:...", "Status": "ABORTED"}),
            "The nested execution was stopped by hand.",
        ),
        (
            "Lambda.Unknown",
            "The cause could not be determined because Lambda did not return an error type. "
            'Returned payload: {"errorMessage":"2026-11-22 Task timed out after 300.00 seconds"}',
            "2026-11-22 Task timed out after 300.00 seconds",
        ),
        ("States.Timeout", "", "A step took longer than its time limit."),
        (
            "SageMaker.ResourceLimitExceededException",
            "The account limit is 0 Instances. (Service: SageMaker, Status Code: 400, "
            "Request ID: 8b1e)",
            "The account limit is 0 Instances.",
        ),
        ("Broken", "", "Broken."),
        ("", "", "No reason was given."),
        ("x", "plain words", "plain words"),
        ("x", '{"FailureReason": "AlgorithmError: It broke., exit code: 1", "Envir', "It broke."),
        ("x", "[1, 2]", "[1, 2]"),
    ],
)
def test_every_kind_of_cause_becomes_one_line(error: str, cause: str, reason: str) -> None:
    assert explain(error, cause).reason == reason


def test_a_reason_is_never_longer_than_a_line() -> None:
    assert len(explain("x", "word " * 1000).reason) <= 400
    assert "\n" not in explain("x", "one\ntwo\nthree").reason


def test_a_container_killed_without_a_word_is_explained() -> None:
    cause = json.dumps(
        {"TrainingJobName": "job", "FailureReason": "AlgorithmError: , exit code: 137"}
    )

    reason = explain("States.TaskFailed", cause).reason

    assert "killed (exit code 137)" in reason
    assert "memory" in reason
