"""InvokeEndpoint."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import BUCKET, IMAGE, ROLE, Cloud, unique, wait_for


@pytest.fixture(scope="module")
def endpoint(cloud: Cloud) -> str:
    name = unique("endpoint")
    sagemaker = cloud.sagemaker
    container = {"Image": IMAGE, "ModelDataUrl": cloud.put_model("first")}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    return name


def invoke(cloud: Cloud, endpoint: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401
    answer: dict[str, Any] = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, **request
    )
    return answer


def test_binary_bodies_pass_through_unchanged(cloud: Cloud, endpoint: str) -> None:
    image = bytes(range(256)) * 100
    answer = invoke(cloud, endpoint, Body=image, ContentType="image/png", Accept="image/x-own")
    assert answer["Body"].read() == image[::-1]
    assert answer["ContentType"] == "image/x-own"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert "CustomAttributes" not in answer


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_text_bodies_pass_through_unchanged(cloud: Cloud, endpoint: str, content_type: str) -> None:
    answer = invoke(cloud, endpoint, Body='{"a": "ü=1&b"}', ContentType=content_type)
    assert answer["Body"].read()[::-1].decode() == '{"a": "ü=1&b"}'


def test_custom_attributes_reach_the_container_and_come_back(cloud: Cloud, endpoint: str) -> None:
    answer = invoke(cloud, endpoint, Body=b"x", CustomAttributes="mode=line")
    assert answer["CustomAttributes"] == "seen mode=line"


@pytest.mark.parametrize(
    ("body", "status", "text", "side"),
    [(b"bad", 415, "no image", "client"), (b"fail", 500, "engine broke", "server")],
)
def test_errors_of_the_container_become_model_errors(
    cloud: Cloud, endpoint: str, body: bytes, status: int, text: str, side: str
) -> None:
    runtime = cloud.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(cloud, endpoint, Body=body)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == status
    assert error["OriginalMessage"] == text
    expected = f'Received {side} error ({status}) from primary with message "{text}". See https://'
    assert error["Error"]["Message"].startswith(expected)


def test_slow_container_times_out(
    cloud: Cloud, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.sagemaker_runtime._TIMEOUT_SECONDS", 0.3)
    runtime = cloud.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError, match="invocation timed out") as caught:
        invoke(cloud, endpoint, Body=b"slow")
    assert caught.value.response["OriginalStatusCode"] == 0


def test_requests_run_side_by_side(cloud: Cloud, endpoint: str) -> None:
    slow = threading.Thread(target=invoke, args=(cloud, endpoint), kwargs={"Body": b"slow"})
    slow.start()
    assert invoke(cloud, endpoint, Body=b"ab")["Body"].read() == b"ba"
    assert slow.is_alive()
    slow.join()


def test_missing_endpoint_is_reported(cloud: Cloud) -> None:
    with pytest.raises(
        ClientError, match="Endpoint never-was of account 123456789012 not found."
    ) as caught:
        invoke(cloud, "never-was", Body=b"x")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_too_large_body_is_refused(cloud: Cloud, endpoint: str) -> None:
    with pytest.raises(ClientError, match="HTTP content length exceeded") as caught:
        invoke(cloud, endpoint, Body=b"x" * 6_291_457)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_captured_requests_lie_with_their_answers_where_the_configuration_says(
    cloud: Cloud,
) -> None:
    name = unique("captured")
    container = {"Image": IMAGE, "ModelDataUrl": cloud.put_model("first")}
    cloud.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    cloud.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{BUCKET}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
        },
    )
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    cloud.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )

    invoke(cloud, name, Body=b"abc", ContentType="image/png", Accept="application/json")

    s3, prefix = cloud.client("s3"), f"captured/{name}/AllTraffic/"
    (key,) = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    line = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    given, answered = line["captureData"]["endpointInput"], line["captureData"]["endpointOutput"]
    assert (given["encoding"], given["data"]) == ("BASE64", "YWJj")
    assert (answered["encoding"], answered["data"]) == ("JSON", "cba")


@pytest.fixture(scope="module")
def asynchronous(cloud: Cloud) -> str:
    name = unique("endpoint")
    container = {"Image": IMAGE, "ModelDataUrl": cloud.put_model("first")}
    cloud.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    output = {
        "S3OutputPath": f"s3://{BUCKET}/{name}/output",
        "S3FailurePath": f"s3://{BUCKET}/{name}/failure",
    }
    cloud.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}],
        AsyncInferenceConfig={"OutputConfig": output},
    )
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    cloud.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    return name


@pytest.mark.parametrize(
    ("body", "place", "told"),
    [
        ("ab", "OutputLocation", b"ba"),
        ("bad", "FailureLocation", b"Received client error (415)"),
        ("", "FailureLocation", b"does not exist"),
    ],
)
def test_asynchronous_answers_and_failures_lie_where_they_were_announced(
    cloud: Cloud, asynchronous: str, body: str, place: str, told: bytes
) -> None:
    key = f"{asynchronous}/input/{body or 'missing'}"
    if body:
        cloud.put({key: body})
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName=asynchronous,
        InputLocation=f"s3://{BUCKET}/{key}",
        ContentType="text/plain",
        Accept="text/plain",
    )
    where = answer[place].removeprefix(f"s3://{BUCKET}/")
    kind = "output" if place == "OutputLocation" else "failure"
    assert where.startswith(f"{asynchronous}/{kind}/")
    assert told in wait_for(lambda: cloud.keys(where) and cloud.get(where))


def test_an_asynchronous_endpoint_does_not_answer_at_once(cloud: Cloud, asynchronous: str) -> None:
    with pytest.raises(ClientError, match="use InvokeEndpointAsync"):
        invoke(cloud, asynchronous, Body=b"x")
