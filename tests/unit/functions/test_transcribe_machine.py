"""The state machine Transcribe: every way through it, with scripted answers for its tasks."""

from __future__ import annotations

from typing import Any

from .machine_player import Ended, Player, TaskFailed

BUCKET = "ocr-retrain-bucket"
CREATE, READ, DELETE = (
    "sagemaker:createModel",
    "sagemaker:createTransformJob.sync",
    "sagemaker:deleteModel",
)
SHARDS = [
    {
        "job": f"ocr-retrain-transcription-{number}",
        "manifest_uri": f"s3://{BUCKET}/transcriptions/1/{number}.manifest",
        "output_uri": f"s3://{BUCKET}/transcriptions/jobs/1/{number}/",
        "at_once": 4,
        "payload_megabytes": 6,
    }
    for number in range(2)
]
ASKED = {
    "transcription_id": "20260101-120000-abcdef",
    "model_name": "ocr-retrain-1-transcribe",
    "package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/ocr-retrain/1",
    "mode": "line",
    "min_confidence": "0",
    "shards": SHARDS,
}


class Answers:
    """What the tasks answer, and what they were asked."""

    def __init__(self, **faults: Exception) -> None:
        self.faults = faults
        self.asked: dict[str, list[dict[str, Any]]] = {CREATE: [], READ: [], DELETE: []}

    def task(self, name: str, fault: str) -> Any:
        def answer(given: dict[str, Any]) -> dict[str, Any]:
            self.asked[name].append(given)
            if fault in self.faults:
                raise self.faults[fault]
            return {"TransformJobName": given.get("TransformJobName", "")}

        return answer


def play(answers: Answers) -> Ended:
    settings = {
        "TranscriptionRoleArn": "arn:aws:iam::123456789012:role/transcription",
        "TranscriptionInstanceType": "ml.g4dn.xlarge",
        "TranscriptionAmiVersion": "al2-ami-sagemaker-batch-gpu-535",
        "TranscriptionJobs": 4,
        "MaxTranscriptionSeconds": 43200,
        "KmsKeyArn": "",
        "VpcSubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
        "VpcSecurityGroupIds": "sg-0123456789abcdef0",
    }
    tasks = {
        CREATE: answers.task(CREATE, "create"),
        READ: answers.task(READ, "read"),
        DELETE: answers.task(DELETE, "delete"),
    }
    return Player("transcribe", settings, tasks, lambda seconds: None).run(ASKED)


def test_every_shard_is_read_and_no_model_is_left() -> None:
    answers = Answers()
    ended = play(answers)
    assert ended.states[-1] == "Transcribed"
    assert [each["job"] for each in ended.output["jobs"]] == [each["job"] for each in SHARDS]
    assert len(answers.asked[DELETE]) == 1


def test_a_shard_that_fails_keeps_no_other_away() -> None:
    ended = play(Answers(read=TaskFailed("States.TaskFailed", "AlgorithmError")))
    assert ended.states[-1] == "Transcribed"
    assert [each["error"] for each in ended.output["jobs"]] == ["States.TaskFailed"] * 2
    assert "Note failed shard" in ended.states


def test_a_model_that_was_made_by_a_lost_answer_is_used() -> None:
    exists = TaskFailed("SageMaker.SageMakerException", "Cannot create already existing model")
    assert play(Answers(create=exists)).states[-1] == "Transcribed"


def test_without_a_model_nothing_is_read() -> None:
    answers = Answers(create=TaskFailed("SageMaker.SageMakerException", "no such package"))
    ended = play(answers)
    assert (ended.status, ended.error) == ("FAILED", "Transcribe.SageMakerException")
    assert answers.asked[READ] == []


def test_a_model_that_cannot_be_deleted_spoils_nothing() -> None:
    ended = play(Answers(delete=TaskFailed("SageMaker.SageMakerException", "busy")))
    assert ended.states[-1] == "Transcribed"
