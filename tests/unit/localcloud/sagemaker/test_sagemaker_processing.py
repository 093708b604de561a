"""Processing jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import BUCKET, IMAGE, ROLE, Cloud, unique, wait_for


def job_request(name: str, *arguments: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    application: dict[str, Any] = {"ImageUri": IMAGE, "ContainerEntrypoint": ["evaluate"]}
    if arguments:
        application["ContainerArguments"] = list(arguments)
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": application,
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.xlarge",
                "VolumeSizeInGB": 10,
            }
        },
        **changes,
    }


def data_input(name: str, uri: str, data_type: str = "S3Prefix") -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": data_type,
            "S3InputMode": "File",
        },
    }


def output(uri: str, mode: str = "EndOfJob") -> dict[str, Any]:
    destination = {
        "S3Uri": uri,
        "LocalPath": "/opt/ml/processing/output",
        "S3UploadMode": mode,
    }
    return {"Outputs": [{"OutputName": "evaluation", "S3Output": destination}]}


def run_to_end(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    cloud.sagemaker.create_processing_job(**request)
    return end_of(cloud, request["ProcessingJobName"])


def end_of(cloud: Cloud, name: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = cloud.sagemaker.describe_processing_job(ProcessingJobName=name)
        return job if job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    job: dict[str, Any] = wait_for(ended)
    return job


@pytest.mark.parametrize("mode", ["EndOfJob", "Continuous"])
def test_job_reads_its_inputs_and_uploads_its_outputs(cloud: Cloud, mode: str) -> None:
    run = unique("run")
    manifest = [{"prefix": f"s3://{BUCKET}/"}, f"{run}/images/1.png"]
    cloud.put(
        {
            f"{run}/champion/model.tar.gz": "champion",
            f"{run}/images/1.png": "1",
            f"{run}/evaluation.manifest": json.dumps(manifest),
        }
    )
    request = job_request(
        unique("job"),
        "first",
        "second",
        Environment={"RUN_ID": run},
        ProcessingInputs=[
            data_input("champion", f"s3://{BUCKET}/{run}/champion/model.tar.gz"),
            data_input("images", f"s3://{BUCKET}/{run}/evaluation.manifest", "ManifestFile"),
        ],
        ProcessingOutputConfig=output(f"s3://{BUCKET}/{run}/evaluation", mode),
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        NetworkConfig={"EnableNetworkIsolation": True},
    )
    job = run_to_end(cloud, request)

    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"] == "two slices"
    assert "FailureReason" not in job
    for member, value in request.items():
        assert job[member] == value
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert json.loads(cloud.get(f"{run}/evaluation/evaluation.json")) == {
        "data": {"champion/model.tar.gz": "champion", f"images/{run}/images/1.png": "1"},
        "RUN_ID": run,
        "arguments": ["first", "second"],
    }
    assert cloud.get(f"{run}/evaluation/deep/dict.txt") == b"a\n"
    lines = cloud.log_lines("/aws/sagemaker/ProcessingJobs", f"{job['ProcessingJobName']}/algo-1-")
    assert lines == ["slice=handwriting lines=64/200"]


def test_crash_reports_the_exit_message_and_uploads_nothing(cloud: Cloud) -> None:
    run = unique("run")
    request = job_request(
        unique("job"), "crash", ProcessingOutputConfig=output(f"s3://{BUCKET}/{run}/")
    )
    job = run_to_end(cloud, request)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["ExitMessage"] == "No slice has a usable line."
    assert job["FailureReason"] == "AlgorithmError: No slice has a usable line., exit code: 4"
    assert cloud.keys(f"{run}/") == []


def test_missing_input_fails_the_job(cloud: Cloud) -> None:
    uri = f"s3://{BUCKET}/{unique('run')}/nothing"
    job = run_to_end(cloud, job_request(unique("job"), ProcessingInputs=[data_input("x", uri)]))
    assert job["FailureReason"] == (
        "ClientError: Failed to download data for input x: no S3 objects found under " + uri
    )


def test_path_outside_opt_ml_fails_the_job(cloud: Cloud) -> None:
    config = output(f"s3://{BUCKET}/out")
    config["Outputs"][0]["S3Output"]["LocalPath"] = "/opt/ml/../../etc"
    job = run_to_end(cloud, job_request(unique("job"), ProcessingOutputConfig=config))
    assert job["FailureReason"] == "ClientError: LocalPath /opt/ml/../../etc is not below /opt/ml."


def test_job_can_be_stopped(cloud: Cloud) -> None:
    name = unique("job")
    cloud.sagemaker.create_processing_job(**job_request(name, "wait"))
    wait_for(lambda: cloud.log_lines("/aws/sagemaker/ProcessingJobs", f"{name}/"))
    cloud.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert end_of(cloud, name)["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="processing job is in status Stopped"):
        cloud.sagemaker.stop_processing_job(ProcessingJobName=name)


def test_job_is_stopped_when_its_time_is_over(cloud: Cloud) -> None:
    request = job_request(unique("job"), "wait", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert run_to_end(cloud, request)["ProcessingJobStatus"] == "Stopped"


def test_name_cannot_be_used_twice(cloud: Cloud) -> None:
    request = job_request(unique("job"))
    run_to_end(cloud, request)
    with pytest.raises(cloud.sagemaker.exceptions.ResourceInUse, match="must be unique"):
        cloud.sagemaker.create_processing_job(**request)


def test_missing_job_is_reported(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Could not find requested job with name: never-was"):
        cloud.sagemaker.describe_processing_job(ProcessingJobName="never-was")


def test_entry_point_is_required(cloud: Cloud) -> None:
    request = job_request(unique("job"))
    del request["AppSpecification"]["ContainerEntrypoint"]
    with pytest.raises(ClientError, match="ContainerEntrypoint"):
        cloud.sagemaker.create_processing_job(**request)


def test_jobs_are_listed_oldest_first(cloud: Cloud) -> None:
    prefix = unique("listed")
    for number in (1, 2):
        run_to_end(cloud, job_request(f"{prefix}-{number}"))
    listed = cloud.sagemaker.list_processing_jobs(NameContains=prefix)["ProcessingJobSummaries"]
    assert [job["ProcessingJobName"] for job in listed] == [f"{prefix}-1", f"{prefix}-2"]
    assert listed[0]["ExitMessage"] == "two slices"


def test_end_is_announced(cloud: Cloud, bus: Callable[[], list[dict[str, Any]]]) -> None:
    arn = run_to_end(cloud, job_request(unique("job")))["ProcessingJobArn"]

    def statuses() -> set[str]:
        return {e["detail"]["ProcessingJobStatus"] for e in bus() if e["resources"] == [arn]}

    wait_for(lambda: statuses() == {"InProgress", "Completed"})
