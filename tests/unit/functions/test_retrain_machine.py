"""The state machine Retrain: every way through it, with scripted answers for its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from .machine_player import Ended, Player, TaskFailed

BUCKET = "ocr-retrain-bucket"
RUN = "20260101-120000-abcdef"
ROLE = "arn:aws:iam::123456789012:role/job"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ocr-retrain/training:1"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/ocr-retrain/2"
DEPLOY = "arn:aws:states:us-east-1:123456789012:stateMachine:ocr-retrain-deploy"
CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."
PLAN = {
    "champion_package_arn": PACKAGE,
    "champion_model_data": f"s3://{BUCKET}/models/base/model.tar.gz",
    "training_job_name": f"ocr-retrain-{RUN}-train",
    "evaluation_job_name": f"ocr-retrain-{RUN}-eval",
    "hyperparameters": {"epochs": "1"},
    "labels_uri": f"s3://{BUCKET}/runs/{RUN}/labels/",
    "training_manifest_uri": f"s3://{BUCKET}/runs/{RUN}/training.manifest",
    "slices_uri": f"s3://{BUCKET}/runs/{RUN}/slices/",
    "evaluation_manifest_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation.manifest",
    "evaluation_output_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation/",
    "checkpoints_uri": f"s3://{BUCKET}/runs/{RUN}/checkpoints/",
    "network": {},
    "output_key": {},
    "training_volume": {},
    "evaluation_volume": {},
}
VALID = {
    "complete": True,
    "give_up_waiting": False,
    "image_shards": 0,
    "image_shards_uri": "",
    "outcome": "",
    "reason": "",
}
TASKS: dict[str, Any] = {
    "UnpackArchives": {"unfinished": False},
    "ValidateDataset": VALID,
    "CheckImages": {"shard": 0},
    "FinishValidation": VALID,
    "PlanTraining": PLAN,
    "JudgeCandidate": {"promote": True, "headline": "Better."},
    "WriteReport": {"report_uri": f"s3://{BUCKET}/runs/{RUN}/report.html"},
    "RegisterModel": {"package_arn": PACKAGE, "approval_status": "Approved"},
    "AnnounceResult": {"announced": ["message"]},
    "ExplainFailure": {"reason": "It broke; mend it."},
    "sagemaker:createTrainingJob.sync": {
        "TrainingJobName": "job",
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://{BUCKET}/models/job/output/model.tar.gz"},
    },
    "sagemaker:createProcessingJob.sync": {"ProcessingJobName": "job"},
    "states:startExecution.sync:2": {"Output": {"package_arn": PACKAGE}},
}
BROKEN = TaskFailed("States.TaskFailed", "AlgorithmError: it broke")


class Script:
    """Gives a task's answers one after the other, the last one for ever."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[dict[str, Any]] = []

    def __call__(self, given: dict[str, Any]) -> Any:
        self.asked.append(given)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def play(use_spot: bool = True, **changed: Any) -> tuple[Ended, Mapping[str, Script]]:
    """Play a run; ``changed`` are answers of functions, lists for one after the other."""
    given = {**TASKS, **{_task(name): answer for name, answer in changed.items()}}
    scripts = {
        name: Script(list(answer) if isinstance(answer, list) else [answer])
        for name, answer in given.items()
    }
    functions = {f"{name}FunctionArn": name for name in TASKS if ":" not in name}
    settings = {
        "SettleSeconds": 60,
        "UploadPollSeconds": 60,
        "UseSpotTraining": str(use_spot).lower(),
        "MaxTrainingSeconds": 14400,
        "MaxEvaluationSeconds": 3600,
        "TrainingVolumeGigabytes": 50,
        "TrainingInstanceType": "ml.g5.xlarge",
        "TrainingInstanceCount": 1,
        "TrainingKeepAliveSeconds": 0,
        "TrainingInputMode": "File",
        "EncryptTrainingTraffic": "false",
        "EvaluationInstanceType": "ml.c5.2xlarge",
        "TrainingImageUri": IMAGE,
        "JobRoleArn": ROLE,
        "BucketName": BUCKET,
        "DeployStateMachineArn": DEPLOY,
    }
    player = Player(
        "retrain",
        {**functions, **settings},
        scripts,
        lambda seconds: None,
        items={"Check images": [[0, 10], [10, 20]]},
    )
    return player.run({"run_id": RUN, "datasets": ["scans"]}), scripts


def _task(name: str) -> str:
    jobs = {
        "train": "sagemaker:createTrainingJob.sync",
        "evaluate": "sagemaker:createProcessingJob.sync",
        "deploy": "states:startExecution.sync:2",
    }
    return jobs.get(name) or "".join(part.capitalize() for part in name.split("_"))


def test_a_better_candidate_is_promoted() -> None:
    ended, _ = play()
    assert ended.status == "SUCCEEDED"
    assert ended.states[-1] == "Promoted"
    assert ended.output["package_arn"] == PACKAGE


def test_a_candidate_that_a_person_must_approve_waits_for_it() -> None:
    pending = {"package_arn": PACKAGE, "approval_status": "PendingManualApproval"}
    ended, scripts = play(register_model=pending)
    assert ended.states[-1] == "Awaiting approval"
    assert scripts["states:startExecution.sync:2"].asked == []


def test_a_worse_candidate_is_registered_and_not_deployed() -> None:
    ended, scripts = play(judge_candidate={"promote": False, "headline": "Worse."})
    assert ended.states[-1] == "Rejected"
    assert "Register as rejected" in ended.states
    assert scripts["states:startExecution.sync:2"].asked == []


def test_a_version_that_was_replaced_while_it_was_deployed_is_not_called_promoted() -> None:
    ended, _ = play(deploy={"Output": {"outcome": "Nothing approved"}})
    assert ended.output["outcome"] == "Rejected"


@pytest.mark.parametrize("outcome", ["Nothing to train", "Waiting for more data"])
def test_without_usable_lines_no_job_is_paid_for(outcome: str) -> None:
    ended, scripts = play(validate_dataset={**VALID, "outcome": outcome, "reason": "No line."})
    assert ended.states[-1] == outcome
    assert scripts["sagemaker:createTrainingJob.sync"].asked == []


def test_archives_that_take_longer_than_one_function_are_taken_up_again() -> None:
    ended, scripts = play(unpack_archives=[{"unfinished": True}, {"unfinished": False}])
    assert len(scripts["UnpackArchives"].asked) == 2
    assert ended.states[-1] == "Promoted"


def test_a_run_waits_for_images_that_are_still_missing() -> None:
    ended, scripts = play(validate_dataset=[{**VALID, "complete": False}, VALID])
    assert "Wait for missing images" in ended.states
    assert len(scripts["ValidateDataset"].asked) == 2


def test_many_images_are_shared_out() -> None:
    shared = {**VALID, "image_shards": 2, "image_shards_uri": f"s3://{BUCKET}/runs/x/shards.json"}
    ended, scripts = play(validate_dataset=shared)
    assert [each["shard"] for each in scripts["CheckImages"].asked] == [[0, 10], [10, 20]]
    assert ended.states[-1] == "Promoted"


def test_a_shard_that_cannot_be_checked_fails_the_run_and_is_explained() -> None:
    shared = {**VALID, "image_shards": 2, "image_shards_uri": f"s3://{BUCKET}/runs/x/shards.json"}
    ended, scripts = play(validate_dataset=shared, check_images=BROKEN)
    assert (ended.status, ended.error) == ("FAILED", "Retrain.ExceedToleratedFailureThreshold")
    assert scripts["ExplainFailure"].asked[0]["cause"].startswith("Some images")


def test_without_spot_capacity_the_job_runs_on_demand() -> None:
    no_capacity = TaskFailed("States.TaskFailed", CAPACITY)
    ended, scripts = play(train=[no_capacity, TASKS["sagemaker:createTrainingJob.sync"]])
    spot = [each["EnableManagedSpotTraining"] for each in scripts[_task("train")].asked]
    assert spot == [True, False]
    assert ended.states[-1] == "Promoted"


def test_without_any_capacity_the_run_fails() -> None:
    ended, _ = play(use_spot=False, train=TaskFailed("States.TaskFailed", CAPACITY))
    assert ended.states[-1] == "Failed"


STEPS = (
    "unpack_archives",
    "validate_dataset",
    "finish_validation",
    "plan_training",
    "train",
    "evaluate",
    "judge_candidate",
    "register_model",
    "deploy",
)


@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_breaks_the_run_fails_with_an_explanation(step: str) -> None:
    shared = {**VALID, "image_shards": 2, "image_shards_uri": f"s3://{BUCKET}/runs/x/shards.json"}
    ended, scripts = play(**{"validate_dataset": shared, step: BROKEN})
    assert (ended.status, ended.cause) == ("FAILED", "It broke; mend it.")
    assert ended.states[-3:] == ["Explain failure", "Announce failure", "Failed"]
    assert scripts["AnnounceResult"].asked[-1]["result"]["outcome"] == "Failed"


def test_a_worse_candidate_that_cannot_be_registered_fails_the_run() -> None:
    worse = {"promote": False, "headline": "Worse."}
    ended, _ = play(judge_candidate=worse, register_model=BROKEN)
    assert ended.states[-4:] == [
        "Register as rejected",
        "Explain failure",
        "Announce failure",
        "Failed",
    ]


def test_a_failure_that_cannot_be_explained_is_told_in_its_own_words() -> None:
    ended, _ = play(plan_training=BROKEN, explain_failure=BROKEN)
    assert ended.cause == "AlgorithmError: it broke"


@pytest.mark.parametrize("promoted", [True, False])
def test_a_result_that_cannot_be_announced_stays_what_it_was(promoted: bool) -> None:
    changed: dict[str, Any] = {} if promoted else {"plan_training": BROKEN}
    ended, _ = play(announce_result=BROKEN, **changed)
    assert ended.states[-1] == ("Promoted" if promoted else "Failed")


@pytest.mark.parametrize("outcome", ["", "Nothing to train"])
def test_a_report_that_cannot_be_written_keeps_nothing_away(outcome: str) -> None:
    ended, scripts = play(
        validate_dataset={**VALID, "outcome": outcome, "reason": "No line."}, write_report=BROKEN
    )
    assert ended.status == "SUCCEEDED"
    assert scripts["AnnounceResult"].asked[-1]["report"] == {"report_uri": ""}


def test_an_execution_without_the_lock_is_not_tried_again() -> None:
    class NotActiveRunError(Exception):
        pass

    ended, scripts = play(unpack_archives=NotActiveRunError("another run is active"))
    assert len(scripts["UnpackArchives"].asked) == 1
    assert ended.error == "Retrain.NotActiveRunError"
