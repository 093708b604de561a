"""Transform jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import BUCKET, IMAGE, ROLE, Cloud, unique, wait_for


@pytest.fixture
def model(cloud: Cloud) -> str:
    return make_model(cloud, "first")


def make_model(cloud: Cloud, behaviour: str) -> str:
    name = unique("model")
    container = {
        "Image": IMAGE,
        "ModelDataUrl": cloud.put_model(behaviour),
        "Environment": {"SHAPE": "round", "SIZE": "small"},
    }
    cloud.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return name


def job_request(model: str, source: str, output: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    kind = "ManifestFile" if source.endswith(".manifest") else "S3Prefix"
    data = {"S3DataType": kind, "S3Uri": f"s3://{BUCKET}/{source}"}
    return {
        "TransformJobName": unique("job"),
        "ModelName": model,
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": 2,
        "MaxPayloadInMB": 1,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 30, "InvocationsMaxRetries": 1},
        "Environment": {"SIZE": "large"},
        "TransformInput": {
            "DataSource": {"S3DataSource": data},
            "ContentType": "application/x-image",
            "SplitType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/{output}",
            "Accept": "application/json",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    }


def run_to_end(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    cloud.sagemaker.create_transform_job(**request)
    return end_of(cloud, request["TransformJobName"])


def end_of(cloud: Cloud, name: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = cloud.sagemaker.describe_transform_job(TransformJobName=name)
        return job if job["TransformJobStatus"] in ("Completed", "Failed", "Stopped") else None

    job: dict[str, Any] = wait_for(ended)
    return job


def test_every_object_of_a_prefix_is_answered_under_its_own_path(cloud: Cloud, model: str) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/1.png": b"\xff\x00a", f"{run}/in/deep/2.png": "bc", f"{run}/in2/x": "x"})
    request = job_request(model, f"{run}/in/", f"{run}/out")
    job = run_to_end(cloud, request)

    assert job["TransformJobStatus"] == "Completed", job
    for member, value in request.items():
        assert job[member] == value
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert cloud.keys(f"{run}/out/") == [f"{run}/out/1.png.out", f"{run}/out/deep/2.png.out"]
    assert cloud.get(f"{run}/out/1.png.out") == b"a\x00\xff"
    assert "serving first" in cloud.log_lines(
        "/aws/sagemaker/TransformJobs", f"{job['TransformJobName']}/"
    )


def test_objects_of_a_manifest_are_answered_under_their_paths_in_it(
    cloud: Cloud, model: str
) -> None:
    run = unique("run")
    manifest = [{"prefix": f"s3://{BUCKET}/{run}/"}, "in/1.png"]
    cloud.put(
        {
            f"{run}/in/1.png": "ab",
            f"{run}/in/2.png": "no",
            f"{run}/m.manifest": json.dumps(manifest),
        }
    )
    run_to_end(cloud, job_request(model, f"{run}/m.manifest", f"{run}/out/"))
    assert cloud.keys(f"{run}/out/") == [f"{run}/out/in/1.png.out"]


def test_container_is_told_that_it_runs_in_a_transform_job(cloud: Cloud, model: str) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/1": "environment"})
    run_to_end(cloud, job_request(model, f"{run}/in/", f"{run}/out"))
    told = json.loads(cloud.get(f"{run}/out/1.out"))
    assert told["SAGEMAKER_BATCH"] == "true"
    assert told["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "1"
    assert told["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] == "2"
    assert told["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"
    assert (told["SHAPE"], told["SIZE"]) == ("round", "large")


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (b"bad", "ClientError", "415 no image"),
        (b"fail", "AlgorithmError", "500 engine broke"),
        (b"x" * 1_048_577, "ClientError", "larger than MaxPayloadInMB"),
    ],
)
def test_refused_object_fails_the_job_but_not_the_others(
    cloud: Cloud, model: str, content: bytes, kind: str, told: str
) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/1": content, f"{run}/in/2": "ab", f"{run}/in/3": "cd"})
    job = run_to_end(cloud, job_request(model, f"{run}/in/", f"{run}/out"))

    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == f"{kind}: See job logs for more information"
    assert cloud.keys(f"{run}/out/") == [f"{run}/out/2.out", f"{run}/out/3.out"]
    lines = cloud.log_lines("/aws/sagemaker/TransformJobs", f"{job['TransformJobName']}/")
    assert any(f"{BUCKET}/{run}/in/1: {kind}" in line and told in line for line in lines)


def test_what_the_request_leaves_open_is_asked_of_the_container(cloud: Cloud) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/1": "x" * 2_000_000})
    request = job_request(make_model(cloud, "asks for 3 MB"), f"{run}/in/", f"{run}/out")
    del request["MaxPayloadInMB"], request["MaxConcurrentTransforms"]
    assert run_to_end(cloud, request)["TransformJobStatus"] == "Completed"


def test_container_that_never_answers_fails_the_job(cloud: Cloud) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/1": "ab"})
    request = job_request(make_model(cloud, "exits"), f"{run}/in/", f"{run}/out")
    assert "ping health check" in run_to_end(cloud, request)["FailureReason"]


def test_nothing_to_read_fails_the_job(cloud: Cloud, model: str) -> None:
    job = run_to_end(cloud, job_request(model, f"{unique('run')}/", "out"))
    assert job["FailureReason"].startswith("ClientError: No S3 objects found under s3://")


def test_job_can_be_stopped(cloud: Cloud, model: str) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/{number}": "slow" for number in range(20)})
    request = job_request(model, f"{run}/in/", f"{run}/out")
    name = request["TransformJobName"]
    cloud.sagemaker.create_transform_job(**request)
    wait_for(lambda: cloud.keys(f"{run}/out/"))
    cloud.sagemaker.stop_transform_job(TransformJobName=name)
    assert end_of(cloud, name)["TransformJobStatus"] == "Stopped"
    assert len(cloud.keys(f"{run}/out/")) < 20
    with pytest.raises(ClientError, match="transform job is in status Stopped"):
        cloud.sagemaker.stop_transform_job(TransformJobName=name)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ModelName": "never-was"}, "Could not find model"),
        ({"MaxPayloadInMB": 101}, "cannot exceed 100 MB"),
        ({"MaxPayloadInMB": 51}, "cannot exceed 100 MB"),
        (
            {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
            "more than one instance",
        ),
        ({"TransformJobName": "x" * 64}, "length less than or equal to 63"),
    ],
)
def test_what_cannot_be_run_is_refused(
    cloud: Cloud, model: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ClientError, match=told):
        cloud.sagemaker.create_transform_job(**job_request(model, "in/", "out", **changes))


def test_name_cannot_be_used_twice_and_a_missing_one_is_reported(cloud: Cloud, model: str) -> None:
    request = job_request(model, f"{unique('run')}/", "out")
    run_to_end(cloud, request)
    with pytest.raises(cloud.sagemaker.exceptions.ResourceInUse, match="must be unique"):
        cloud.sagemaker.create_transform_job(**request)
    with pytest.raises(ClientError, match="Could not find requested job with name: never-was"):
        cloud.sagemaker.describe_transform_job(TransformJobName="never-was")


def test_jobs_are_listed_tagged_and_announced(
    cloud: Cloud, model: str, bus: Callable[[], list[dict[str, Any]]]
) -> None:
    run = unique("run")
    cloud.put({f"{run}/in/1": "ab"})
    tags = [{"Key": "run", "Value": run}]
    request = job_request(model, f"{run}/in/", f"{run}/out", Tags=tags)
    name, arn = request["TransformJobName"], run_to_end(cloud, request)["TransformJobArn"]
    (listed,) = cloud.sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
    assert listed["TransformJobStatus"] == "Completed"
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags

    def statuses() -> set[str]:
        return {
            event["detail"]["TransformJobStatus"] for event in bus() if event["resources"] == [arn]
        }

    wait_for(lambda: statuses() == {"InProgress", "Completed"})
