"""A Distributed Map reads its items from S3 and runs its own little workflow for each."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .harness import Cloud, eventually

pytestmark = pytest.mark.cloud


def distributed_map(cloud: Cloud, processor: dict[str, Any], **tolerated: object) -> dict[str, Any]:
    """Return a JSONata definition whose items lie in S3, as the input names them."""
    check = {
        "Type": "Map",
        "Label": "Parts",
        **tolerated,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {
                "Bucket": cloud.output("BucketName"),
                "Key": "{% $substringAfter($uri, '" + cloud.output("BucketName") + "/') %}",
            },
        },
        "ItemSelector": {"run_id": "{% $run %}", "part": "{% $states.context.Map.Item.Value %}"},
        "MaxConcurrency": 2,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Work",
            "States": {"Work": processor},
        },
        "Output": "{% $states.result %}",
        "Catch": [
            {
                "ErrorEquals": ["States.ALL"],
                "Output": {"error": "{% $states.errorOutput.Error %}"},
                "Next": "End",
            }
        ],
        "Next": "End",
    }
    begin = {
        "Type": "Pass",
        "Assign": {"run": "{% $states.input.run %}", "uri": "{% $states.input.uri %}"},
        "Next": "Check",
    }
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {"Begin": begin, "Check": check, "End": {"Type": "Succeed"}},
    }


def run(cloud: Cloud, processor: dict[str, Any], items: object, **tolerated: object) -> Any:  # noqa: ANN401
    bucket, key = cloud.output("BucketName"), f"parts/{time.time_ns()}.json"
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(items).encode())
    given = {"run": "r", "uri": f"s3://{bucket}/{key}"}
    description = cloud.run(distributed_map(cloud, processor, **tolerated), given)
    assert description["status"] == "SUCCEEDED", description
    return json.loads(description["output"])


def test_every_item_of_the_file_is_worked_on_with_what_was_selected(cloud: Cloud) -> None:
    work = {
        "Type": "Pass",
        "Output": "{% $states.input.run_id & ':' & $states.input.part %}",
        "End": True,
    }
    assert sorted(run(cloud, work, ["a", "b", "c"])) == ["r:a", "r:b", "r:c"]


def failing(cloud: Cloud, *parts: str) -> dict[str, Any]:
    """Fail for these parts, and repeat the others."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {
            "FunctionName": cloud.output("TroubleArn"),
            "Payload": {"do": f"{{% $states.input.part in {json.dumps(parts)} ? 'raise' : '' %}}"},
        },
        "Output": "{% $states.input.part %}",
        "End": True,
    }


def test_one_failing_item_fails_the_map_with_aws_s_name(cloud: Cloud) -> None:
    answer = run(cloud, failing(cloud, "b"), ["a", "b"])
    assert answer == {"error": "States.ExceedToleratedFailureThreshold"}


def test_tolerated_failures_leave_the_others_results(cloud: Cloud) -> None:
    answer = run(cloud, failing(cloud, "b"), ["a", "b"], ToleratedFailureCount=1)
    assert "a" in answer


def test_a_file_that_is_no_list_fails_the_map(cloud: Cloud) -> None:
    work = {"Type": "Pass", "End": True}
    assert run(cloud, work, {"a": 1}) == {"error": "States.ItemReaderFailed"}


def test_stopping_the_execution_stops_its_map(cloud: Cloud) -> None:
    bucket, key = cloud.output("BucketName"), f"parts/{time.time_ns()}.json"
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(["a"] * 9).encode())
    stepfunctions = cloud.client("stepfunctions")
    machine = stepfunctions.create_state_machine(
        name=f"test-{time.time_ns()}",
        definition=json.dumps(distributed_map(cloud, {"Type": "Wait", "Seconds": 60, "End": True})),
        roleArn=cloud.output("JobRoleArn"),
    )["stateMachineArn"]
    arn = stepfunctions.start_execution(
        stateMachineArn=machine, input=json.dumps({"run": "r", "uri": f"s3://{bucket}/{key}"})
    )["executionArn"]
    eventually(
        lambda: [
            each
            for each in stepfunctions.get_execution_history(executionArn=arn)["events"]
            if each["type"] == "MapRunStarted"
        ]
    )
    stepfunctions.stop_execution(executionArn=arn)
    assert cloud.finished(arn)["status"] == "ABORTED"
