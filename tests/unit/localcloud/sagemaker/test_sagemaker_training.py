"""Training jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import BUCKET, ROLE, Cloud, unique, unpacked, wait_for

Request = dict[str, Any]
MakeRequest = Callable[..., Request]
Bus = Callable[[], list[dict[str, Any]]]


def run_to_end(cloud: Cloud, request: Request) -> dict[str, Any]:
    cloud.sagemaker.create_training_job(**request)
    return end_of(cloud, request["TrainingJobName"])


def end_of(cloud: Cloud, name: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = cloud.sagemaker.describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    job: dict[str, Any] = wait_for(ended)
    return job


def channel(name: str, uri: str, data_type: str = "S3Prefix") -> dict[str, Any]:
    source = {"S3DataType": data_type, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def seen_by(cloud: Cloud, job: dict[str, Any]) -> dict[str, Any]:
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
    seen: dict[str, Any] = json.loads(unpacked(cloud.get(key))["seen.json"])
    return seen


def test_job_trains_on_its_channels_and_uploads_model_and_output(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    manifest = [{"prefix": f"s3://{BUCKET}/"}, f"{run}/images/ä.png", f"{run}/images/deep/2.png"]
    cloud.put(
        {
            f"{run}/labels/train.txt": "train",
            f"{run}/labels-old/train.txt": "old",
            f"{run}/images/ä.png": "1",
            f"{run}/images/deep/2.png": "2",
            f"{run}/images/unlisted.png": "3",
            f"{run}/training.manifest": json.dumps(manifest),
            f"{run}/base/model.tar.gz": "base",
        }
    )
    name = unique("job")
    job = run_to_end(
        cloud,
        training_request(
            name,
            InputDataConfig=[
                channel("labels", f"s3://{BUCKET}/{run}/labels/"),
                channel("training", f"s3://{BUCKET}/{run}/training.manifest", "ManifestFile"),
                channel("champion", f"s3://{BUCKET}/{run}/base/model.tar.gz"),
            ],
        ),
    )

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    uri = f"s3://{BUCKET}/models/{name}/output/model.tar.gz"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": uri}
    seen = seen_by(cloud, job)
    assert seen["data"] == {
        "labels/train.txt": "train",
        f"training/{run}/images/ä.png": "1",
        f"training/{run}/images/deep/2.png": "2",
        "champion/model.tar.gz": "base",
    }
    assert seen["config"]["hyperparameters"] == {"act": "succeed"}
    assert seen["config"]["resourceconfig"]["hosts"] == ["localhost"]
    assert set(seen["config"]["inputdataconfig"]) == {"labels", "training", "champion"}
    assert unpacked(cloud.get(f"models/{name}/output/output.tar.gz")) == {"notes.txt": "notes"}


def test_prefix_without_slash_also_takes_longer_names(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    cloud.put({f"{run}/labels/train.txt": "train", f"{run}/labels-old/x.txt": "old"})
    request = training_request(
        unique("job"), InputDataConfig=[channel("labels", f"s3://{BUCKET}/{run}/labels")]
    )
    seen = seen_by(cloud, run_to_end(cloud, request))
    assert seen["data"] == {"labels/train.txt": "train", "labels/labels-old/x.txt": "old"}


def test_description_repeats_the_request_and_tells_the_story(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    request = training_request(
        unique("job"),
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
        Environment={"COLOUR": "blue"},
    )
    job = run_to_end(cloud, request)
    for member, value in request.items():
        assert job[member] == value
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert all("EndTime" in step for step in job["SecondaryStatusTransitions"])
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] >= 1
    assert job["EnableNetworkIsolation"] is False


def test_last_value_of_each_metric_is_kept(cloud: Cloud, training_request: MakeRequest) -> None:
    job = run_to_end(cloud, training_request(unique("job")))
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("accuracy", 0.75)


def test_log_has_every_line(cloud: Cloud, training_request: MakeRequest) -> None:
    name = unique("job")
    run_to_end(cloud, training_request(name))
    assert cloud.log_lines("/aws/sagemaker/TrainingJobs", f"{name}/algo-1-") == [
        "epoch=1/2 accuracy=0.5",
        "epoch=2/2 accuracy=0.75",
        "no line end",
    ]


def test_log_is_readable_while_the_job_runs(cloud: Cloud, training_request: MakeRequest) -> None:
    name = unique("job")
    cloud.sagemaker.create_training_job(**training_request(name, "wait"))
    group = "/aws/sagemaker/TrainingJobs"
    assert wait_for(lambda: cloud.log_lines(group, f"{name}/")) == ["waiting"]
    cloud.sagemaker.stop_training_job(TrainingJobName=name)
    end_of(cloud, name)


def test_container_gets_credentials_and_its_environment_only(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    name = unique("job")
    job = run_to_end(cloud, training_request(name, Environment={"COLOUR": "blue"}))
    assert seen_by(cloud, job)["environment"] == {
        "AWS_ENDPOINT_URL": cloud.context.endpoint_url,
        "AWS_ACCESS_KEY_ID": "container test",
        "TRAINING_JOB_NAME": name,
        "COLOUR": "blue",
        "PYTEST_VERSION": None,
    }


def test_isolated_container_gets_no_credentials(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    job = run_to_end(cloud, training_request(unique("job"), EnableNetworkIsolation=True))
    environment = seen_by(cloud, job)["environment"]
    assert environment["AWS_ENDPOINT_URL"] is None
    assert environment["AWS_ACCESS_KEY_ID"] is None


def test_checkpoints_are_restored_and_saved(cloud: Cloud, training_request: MakeRequest) -> None:
    run = unique("run")
    cloud.put({f"{run}/checkpoints/1.bin": "one"})
    request = training_request(
        unique("job"), "checkpoint", CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{run}/checkpoints"}
    )
    job = run_to_end(cloud, request)
    assert seen_by(cloud, job)["checkpoints"] == ["1.bin", "step"]
    assert cloud.get(f"{run}/checkpoints/step/2.bin") == b"two"


def instances(count: int, **more: Any) -> Request:
    return {
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": count,
            "VolumeSizeInGB": 10,
            **more,
        }
    }


def test_every_instance_has_its_own_container_and_all_data(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    cloud.put({f"{run}/labels/train.txt": "train", f"{run}/checkpoints/1.bin": "one"})
    name = unique("job")
    job = run_to_end(
        cloud,
        training_request(
            name,
            "on_every_host",
            InputDataConfig=[channel("labels", f"s3://{BUCKET}/{run}/labels/")],
            CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{run}/checkpoints"},
            **instances(2),
        ),
    )

    assert job["TrainingJobStatus"] == "Completed"
    model = unpacked(cloud.get(f"models/{name}/output/model.tar.gz"))
    seen = {host: json.loads(text) for host, text in model.items()}
    assert set(seen) == {"127.0.0.1", "127.0.0.2"}
    ports = set()
    for host, about in seen.items():
        assert about["resources"]["current_host"] == host
        assert about["resources"]["hosts"] == ["127.0.0.1", "127.0.0.2"]
        assert about["data"] == ["labels/train.txt"]
        assert about["checkpoints"] == ["1.bin"]
        ports.add(about["port"])
    assert len(ports) == 1
    # All hosts write to one prefix.
    assert cloud.keys(f"{run}/checkpoints/of-") == [
        f"{run}/checkpoints/of-127.0.0.1",
        f"{run}/checkpoints/of-127.0.0.2",
    ]
    for number in (1, 2):
        log = cloud.log_lines("/aws/sagemaker/TrainingJobs", f"{name}/algo-{number}-")
        assert log == [f"on 127.0.0.{number}"]


def test_an_instance_that_fails_ends_the_job_and_the_others(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    job = run_to_end(cloud, training_request(unique("job"), "crash_on_the_second", **instances(2)))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: The second ran dry., exit code: 3"


def test_streamed_input_is_there_to_be_read_only(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    cloud.put({f"{run}/labels/train.txt": "train"})
    source = {**channel("labels", f"s3://{BUCKET}/{run}/labels/"), "InputMode": "FastFile"}
    seen = seen_by(
        cloud, run_to_end(cloud, training_request(unique("job"), InputDataConfig=[source]))
    )
    assert seen["data"] == {"labels/train.txt": "train"}
    assert seen["modes"] == {"labels/train.txt": "0o444"}
    assert seen["config"]["inputdataconfig"]["labels"]["TrainingInputMode"] == "FastFile"


def test_nothing_is_kept_warm_here(cloud: Cloud, training_request: MakeRequest) -> None:
    kept = instances(1, KeepAlivePeriodInSeconds=600)
    job = run_to_end(cloud, training_request(unique("job"), **kept))
    assert job["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert job["WarmPoolStatus"]["Status"] == "Terminated"


def test_crash_reports_the_failure_file_and_keeps_the_output(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    name = unique("job")
    job = run_to_end(cloud, training_request(name, "crash"))
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == (
        "AlgorithmError: Traceback...\nThe labels are empty: add some., exit code: 3"
    )
    assert cloud.keys(f"models/{name}/") == [f"models/{name}/output/output.tar.gz"]


def test_crash_without_failure_file_reports_the_exit_code(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    job = run_to_end(cloud, training_request(unique("job"), "crash_silently"))
    assert job["FailureReason"] == "AlgorithmError: , exit code: 1"


def test_unknown_image_fails_the_job(cloud: Cloud, training_request: MakeRequest) -> None:
    request = training_request(unique("job"))
    request["AlgorithmSpecification"]["TrainingImage"] = "elsewhere/image:1"
    job = run_to_end(cloud, request)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Cannot pull image elsewhere/image:1")


def test_unknown_command_fails_the_job(cloud: Cloud, training_request: MakeRequest) -> None:
    request = training_request(unique("job"))
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["no-such-program"]
    job = run_to_end(cloud, request)
    assert job["FailureReason"] == "AlgorithmError: , exit code: 127"


def test_manifest_key_that_is_missing_fails_the_job(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    cloud.put({f"{run}/m": json.dumps([{"prefix": f"s3://{BUCKET}/{run}/"}, "gone.png"])})
    source = channel("training", f"s3://{BUCKET}/{run}/m", "ManifestFile")
    job = run_to_end(cloud, training_request(unique("job"), InputDataConfig=[source]))
    assert job["FailureReason"] == f"ClientError: s3://{BUCKET}/{run}/gone.png does not exist."


def test_manifest_key_that_leaves_the_channel_fails_the_job(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    cloud.put({f"{run}/m": json.dumps([{"prefix": f"s3://{BUCKET}/"}, "../../../evil"])})
    source = channel("training", f"s3://{BUCKET}/{run}/m", "ManifestFile")
    job = run_to_end(cloud, training_request(unique("job"), InputDataConfig=[source]))
    assert "outside its channel" in job["FailureReason"]


def test_key_that_is_also_a_folder_fails_the_job(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    run = unique("run")
    cloud.put({f"{run}/a": "file", f"{run}/a/b": "file in folder"})
    source = channel("training", f"s3://{BUCKET}/{run}/")
    job = run_to_end(cloud, training_request(unique("job"), InputDataConfig=[source]))
    assert job["FailureReason"].startswith("ClientError: Data download failed: a file and a folder")


def test_stopped_job_still_uploads_its_model(cloud: Cloud, training_request: MakeRequest) -> None:
    name = unique("job")
    cloud.sagemaker.create_training_job(**training_request(name, "wait"))
    wait_for(lambda: _is_training(cloud, name))
    wait_for(lambda: cloud.log_lines("/aws/sagemaker/TrainingJobs", f"{name}/"))
    cloud.sagemaker.stop_training_job(TrainingJobName=name)
    job = end_of(cloud, name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "FailureReason" not in job
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert steps[-3:] == ["Stopping", "Uploading", "Stopped"]
    model = unpacked(cloud.get(f"models/{name}/output/model.tar.gz"))
    assert model == {"weights.bin": "half trained"}


def test_job_is_stopped_when_its_time_is_over(cloud: Cloud, training_request: MakeRequest) -> None:
    request = training_request(unique("job"), "wait", StoppingCondition={"MaxRuntimeInSeconds": 3})
    job = run_to_end(cloud, request)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert cloud.keys(f"models/{job['TrainingJobName']}/output/model.tar.gz")


def test_stopping_an_ended_job_is_refused(cloud: Cloud, training_request: MakeRequest) -> None:
    job = run_to_end(cloud, training_request(unique("job")))
    with pytest.raises(ClientError, match="training job is in status Completed"):
        cloud.sagemaker.stop_training_job(TrainingJobName=job["TrainingJobName"])


def test_name_cannot_be_used_twice(cloud: Cloud, training_request: MakeRequest) -> None:
    job = run_to_end(cloud, training_request(unique("job")))
    with pytest.raises(cloud.sagemaker.exceptions.ResourceInUse, match="must be unique"):
        cloud.sagemaker.create_training_job(**training_request(job["TrainingJobName"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TrainingJobName": "x" * 64}, "'trainingJobName' failed.*less than or equal to 63"),
        ({"TrainingJobName": "under_score"}, "regular expression pattern"),
        ({"RoleArn": "arn:aws:iam::1:role/x"}, "at 'roleArn' failed"),
        (
            {"ResourceConfig": {"InstanceType": "ml.g99.xlarge", "InstanceCount": 1}},
            "'resourceConfig.instanceType' failed.*enum value set",
        ),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds"),
        ({"ResourceConfig": {"InstanceCount": 9}}, "more than 8 instances"),
        (
            {
                "ResourceConfig": {"InstanceCount": 1, "KeepAlivePeriodInSeconds": 600},
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
            },
            "cannot be used with managed spot training",
        ),
        (
            {"ResourceConfig": {"InstanceCount": 1, "KeepAlivePeriodInSeconds": 3601}},
            "at most 3600",
        ),
        (
            {"InputDataConfig": [channel("training", f"s3://{BUCKET}/nothing/here")]},
            'No S3 objects found under S3 URL "s3://sagemaker-tests/nothing/here"',
        ),
    ],
)
def test_invalid_request_is_refused_as_on_aws(
    cloud: Cloud, training_request: MakeRequest, change: Request, message: str
) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        cloud.sagemaker.create_training_job(**{**training_request(unique("job")), **change})
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_missing_job_is_reported(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Requested resource not found"):
        cloud.sagemaker.describe_training_job(TrainingJobName="never-was")


def test_status_changes_are_announced(
    cloud: Cloud, training_request: MakeRequest, bus: Bus
) -> None:
    job = run_to_end(cloud, training_request(unique("job"), Tags=[{"Key": "a", "Value": "b"}]))
    arn = job["TrainingJobArn"]
    steps = {"Starting", "Downloading", "Training", "Uploading", "Completed"}

    def events() -> dict[str, dict[str, Any]] | None:
        found = {e["detail"]["SecondaryStatus"]: e for e in bus() if e["resources"] == [arn]}
        return found if set(found) == steps else None

    last = wait_for(events)["Completed"]
    assert last["detail-type"] == "SageMaker Training Job State Change"
    assert last["detail"]["TrainingJobStatus"] == "Completed"
    assert last["detail"]["Tags"] == {"a": "b"}
    assert isinstance(last["detail"]["CreationTime"], int)


def test_listing_filters_by_status_after_cutting_the_page(
    cloud: Cloud, training_request: MakeRequest
) -> None:
    prefix = unique("listed")
    run_to_end(cloud, training_request(f"{prefix}-1"))
    run_to_end(cloud, training_request(f"{prefix}-2", "crash_silently"))
    query = {"NameContains": prefix, "StatusEquals": "Failed", "MaxResults": 1}
    first = cloud.sagemaker.list_training_jobs(**query)
    assert first["TrainingJobSummaries"] == []
    second = cloud.sagemaker.list_training_jobs(**query, NextToken=first["NextToken"])
    assert [job["TrainingJobName"] for job in second["TrainingJobSummaries"]] == [f"{prefix}-2"]
    assert "NextToken" not in second


def test_tags_of_a_job_can_be_read_and_changed(cloud: Cloud, training_request: MakeRequest) -> None:
    request = training_request(unique("job"), Tags=[{"Key": "run", "Value": "1"}])
    arn = run_to_end(cloud, request)["TrainingJobArn"]
    cloud.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "run", "Value": "2"}])
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "2"}]
    cloud.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["run"])
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_operations_that_would_only_pretend_are_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="does not run CreateCompilationJob"):
        cloud.sagemaker.create_compilation_job(
            CompilationJobName="job",
            RoleArn=ROLE,
            OutputConfig={"S3OutputLocation": "s3://a/b"},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )


def _is_training(cloud: Cloud, name: str) -> bool:
    job = cloud.sagemaker.describe_training_job(TrainingJobName=name)
    return bool(job["SecondaryStatus"] == "Training")
