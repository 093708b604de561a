"""Lambda functions run as real processes."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from .harness import REPO, Cloud, eventually

pytestmark = pytest.mark.cloud


def test_a_function_sees_its_event_and_the_variables_that_aws_sets(cloud: Cloud) -> None:
    answer = json.loads(cloud.invoke("echo", {"text": "Grüße 読\U0001f600"})["Payload"])

    assert answer["event"] == {"text": "Grüße 読\U0001f600"}
    assert answer["function_name"] == "fixture-echo"
    assert answer["function_arn"] == cloud.output("EchoArn")
    assert 10_000 < answer["remaining_ms"] <= 20_000
    environment = answer["environment"]
    assert environment["AWS_ENDPOINT_URL"] == cloud.connection.endpoint_url
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "fixture-echo"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/fixture/fixture-echo"
    assert environment["BUCKET"] == cloud.output("BucketName")
    # CloudFormation hands a number on as the text that was given.
    assert environment["THRESHOLD"] == "0.1"
    assert environment["_X_AMZN_TRACE_ID"].startswith("Root=1-")


def test_a_function_uses_its_deployed_code_and_the_runtime_s_sdk(cloud: Cloud) -> None:
    answer = json.loads(cloud.invoke("echo", {})["Payload"])

    assert (Path(answer["directory"]) / "handlers.py").exists()
    assert REPO / ".runtimes" / "lambda" in Path(answer["boto3"]).resolve().parents


def test_a_function_s_output_is_in_its_log_group_and_in_a_file(cloud: Cloud) -> None:
    cloud.invoke("echo", {})
    logs = cloud.client("logs")

    def lines() -> list[str]:
        streams = logs.describe_log_streams(logGroupName="/fixture/fixture-echo")["logStreams"]
        return [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(
                logGroupName="/fixture/fixture-echo",
                logStreamName=stream["logStreamName"],
                startFromHead=True,
            )["events"]
        ]

    seen = eventually(lambda: [line for line in lines() if "platform.report" in line])
    assert json.loads(seen[0])["record"]["metrics"]["durationMs"] > 0
    assert any("echo says hello" in line for line in lines())
    assert "echo says hello" in (cloud.home / "log" / "lambda-fixture-echo.log").read_text()


def test_a_raised_exception_is_an_unhandled_function_error_with_its_log(cloud: Cloud) -> None:
    answer = cloud.invoke("trouble", {"do": "raise"}, LogType="Tail")

    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "on purpose")
    assert error["stackTrace"]
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "REPORT RequestId" in log


def test_a_function_that_exits_does_not_take_the_next_invocation_with_it(cloud: Cloud) -> None:
    answer = cloud.invoke("trouble", {"do": "exit"})

    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"])
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 7" in error["errorMessage"]
    assert "FunctionError" not in cloud.invoke("trouble", {"do": "nothing"})


def test_a_function_that_takes_too_long_is_ended_with_all_it_started(cloud: Cloud) -> None:
    answer = cloud.invoke("trouble", {"do": "sleep", "marker": f"marker-{os.getpid()}"})

    error = json.loads(answer["Payload"])
    assert error["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 2.00 seconds" in error["errorMessage"]
    eventually(lambda: not _runs(f"marker-{os.getpid()}"))


def test_a_module_that_cannot_be_imported_is_reported_with_its_own_words(cloud: Cloud) -> None:
    error = json.loads(cloud.invoke("broken", {})["Payload"])

    assert "broken on purpose" in error["errorMessage"]


def test_invocations_at_the_same_time_run_in_processes_of_their_own(cloud: Cloud) -> None:
    def sleep(_: int) -> str:
        return str(cloud.invoke("trouble", {"do": "sleep", "marker": "x"}).get("FunctionError"))

    with ThreadPoolExecutor(3) as pool:
        sleeping = [pool.submit(sleep, index) for index in range(2)]
        answer = pool.submit(cloud.invoke, "trouble", {"do": "nothing"}).result()

        assert "FunctionError" not in answer
        assert [future.result() for future in sleeping] == ["Unhandled", "Unhandled"]


def test_an_idle_process_serves_the_next_invocation(cloud: Cloud) -> None:
    pids = {json.loads(cloud.invoke("echo", {})["Payload"])["pid"] for _ in range(4)}

    assert len(pids) == 1


def test_an_asynchronous_invocation_is_acknowledged_and_tried_three_times(cloud: Cloud) -> None:
    answer = cloud.invoke("moody", {"name": "later"}, InvocationType="Event")

    assert answer["StatusCode"] == 202
    assert answer["Payload"] == b""
    eventually(lambda: len(cloud.recorded("moody-later")) == 3)


def test_a_function_that_is_not_there_is_named(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.invoke("nobody", {})

    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_reserved_concurrency_is_enforced(cloud: Cloud) -> None:
    lambda_ = cloud.client("lambda")
    lambda_.put_function_concurrency(FunctionName="fixture-echo", ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(ClientError) as caught:
            cloud.invoke("echo", {})
    finally:
        lambda_.delete_function_concurrency(FunctionName="fixture-echo")

    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"


def _runs(marker: str) -> bool:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in entry.read_bytes():
                return True
        except OSError:
            continue
    return False
