"""A first model from random weights: which lines it learns, what the job is asked, how it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import botocore.session
import pytest
from botocore.validate import ParamValidator

from ocr_retrain import scratch_training
from ocr_retrain.base_model import BaseModel
from ocr_retrain.connection import Cloud
from ocr_retrain.errors import UserError
from ocr_retrain.installation.stacks import DeployedStack
from ocr_retrain.labelled_lines import read_labelled
from ocr_retrain.main import execute
from retraining.normalization import Normalization

RULES = Normalization.parse("compose,spaces")
KEY = "arn:aws:kms:eu-west-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PARAMETERS = {
    "TrainingInstanceType": "ml.c5.4xlarge",
    "TrainingVolumeGigabytes": "50",
    "MaxTrainingSeconds": "3600",
    "TextNormalization": "compose,spaces",
}
PRIVATE = {
    "KmsKeyArn": KEY,
    "VpcSubnetIds": "subnet-1,subnet-2",
    "VpcSecurityGroupIds": "sg-1",
}


def stack(**parameters: str) -> DeployedStack:
    outputs = {
        "JobRoleArn": "arn:aws:iam::210987654321:role/job",
        "TrainingImageUri": "210987654321.dkr.ecr.eu-west-1.amazonaws.com/ocr-retrain/training:1",
    }
    return DeployedStack("ocr-retrain", "CREATE_COMPLETE", {**PARAMETERS, **parameters}, outputs)


@pytest.fixture
def meters(tmp_path: Path) -> Path:
    root = tmp_path / "meters"
    for name in ("a", "b", "c", "d"):
        (root / "images").mkdir(parents=True, exist_ok=True)
        (root / "images" / f"{name}.png").write_bytes(b"picture")
    (root / "labels").mkdir()
    (root / "labels/train.txt").write_text(
        "images/a.png\t12\nimages/b.png\t34\u00a05\nimages/c.png\t7\nimages/absent.png\t8\n"
        "../../other.png\t9\nno tab\nimages/d.png\tx\ue000\n",
        encoding="utf-8",
    )
    (root / "labels/val.txt").write_text("images/c.png\t7\n", encoding="utf-8")
    return root


def test_lines_are_read_by_the_rules_of_drops(meters: Path) -> None:
    lines = read_labelled(meters, RULES)

    assert [(each.key, each.text) for each in lines.train] == [
        ("images/a.png", "12"),
        ("images/b.png", "34 5"),
    ]
    assert [each.key for each in lines.held] == ["images/c.png"]
    assert {each.relative for each in lines.images} == {f"images/{x}.png" for x in "abc"}
    assert set(lines.characters) == set("12345 ")
    assert lines.problems["missing_image"] == 1
    assert lines.problems["outside_dataset"] == 1
    assert lines.problems["unusable_character"] == 1
    assert lines.problems.total() == 4


def test_a_folder_without_a_usable_line_says_why(meters: Path) -> None:
    (meters / "labels/train.txt").write_text("images/absent.png\t1\n")
    with pytest.raises(UserError, match=r"no line to train on: missing_image \(1\)"):
        read_labelled(meters, RULES)


@pytest.mark.parametrize("private", [{}, PRIVATE], ids=["usual", "private"])
def test_the_request_is_what_sagemaker_takes(cloud: Cloud, private: dict[str, str]) -> None:
    inputs = scratch_training._Inputs(
        "20261122-101545-3fa9c1", "s3://b/n/", "s3://b/l/", "s3://b/m", "s3://b/c/"
    )
    request = scratch_training.training_request(
        stack(**private), cloud, inputs, {"epochs": "3", "run_id": "mine"}
    )

    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert request["HyperParameters"] == {
        "recipe": "scratch",
        "max_minutes": "54.0",
        "epochs": "3",
        "run_id": "20261122-101545-3fa9c1",
    }
    assert ("VpcConfig" in request) is bool(private)
    assert request["ResourceConfig"].get("VolumeKmsKeyId") == (KEY if private else None)


class Jobs:
    """SageMaker whose job ends as it is told."""

    def __init__(self, **ended: Any) -> None:
        self.ended, self.stopped = ended, False
        self.asked: dict[str, Any] = {}

    def create_training_job(self, **given: Any) -> None:
        self.asked = given

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        if "interrupt" in self.ended:
            raise KeyboardInterrupt
        return {"SecondaryStatus": "Training", **self.ended}

    def stop_training_job(self, TrainingJobName: str) -> None:
        self.stopped = True


def train(cloud: Cloud, jobs: Jobs, meters: Path, tmp_path: Path) -> str:
    cloud.__dict__["sagemaker"] = jobs
    cloud.__dict__["logs"] = SimpleNamespace(describe_log_streams=lambda **_: {"logStreams": []})
    network = tmp_path / "model.tar.gz"
    network.write_bytes(b"network")
    lines = read_labelled(meters, RULES)
    model = BaseModel(network, "00", "tiny")
    return scratch_training.train_from_scratch(cloud, stack(), model, lines, meters, {}, 0)


def test_the_job_finds_its_lines_and_images(connected: Cloud, meters: Path, tmp_path: Path) -> None:
    jobs = Jobs(
        TrainingJobStatus="Completed", ModelArtifacts={"S3ModelArtifacts": "s3://b/model.tar.gz"}
    )

    assert train(connected, jobs, meters, tmp_path) == "s3://b/model.tar.gz"

    def read(uri: str) -> str:
        key = uri.removeprefix(f"s3://{connected.stack.bucket}/")
        found = connected.s3.get_object(Bucket=connected.stack.bucket, Key=key)
        return cast("str", found["Body"].read().decode())

    sources = {
        each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"]
        for each in jobs.asked["InputDataConfig"]
    }
    run = jobs.asked["HyperParameters"]["run_id"]
    assert read(f"{sources['labels']}train.txt").splitlines() == [
        f"runs/{run}/scratch/images/a.png\t12",
        f"runs/{run}/scratch/images/b.png\t34 5",
    ]
    assert read(f"{sources['labels']}dev.txt") == f"runs/{run}/scratch/images/c.png\t7\n"
    assert f"runs/{run}/scratch/images/c.png" in read(sources["training"])
    assert read(f"{sources['champion']}model.tar.gz") == "network"
    assert read(f"s3://{connected.stack.bucket}/runs/{run}/scratch/images/a.png") == "picture"


def test_a_job_without_a_model_ends_with_its_own_words(
    connected: Cloud, meters: Path, tmp_path: Path
) -> None:
    jobs = Jobs(TrainingJobStatus="Failed", FailureReason="AlgorithmError: the disk is full")
    with pytest.raises(UserError, match="ended without a model: AlgorithmError: the disk is full"):
        train(connected, jobs, meters, tmp_path)


def test_whoever_gives_up_leaves_no_job_behind(
    connected: Cloud, meters: Path, tmp_path: Path
) -> None:
    jobs = Jobs(interrupt=True)
    with pytest.raises(KeyboardInterrupt):
        train(connected, jobs, meters, tmp_path)
    assert jobs.stopped


def test_a_network_that_cannot_begin_at_random_is_refused() -> None:
    with pytest.raises(UserError, match="give --model pp-ocrv4-mobile"):
        scratch_training.require_trainable("pp-ocrv6-small")


def test_hyperparameters_are_for_training_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["bootstrap", "--hyperparameter", "epochs=1"]) != 0
    assert "is for --train" in capsys.readouterr().err
