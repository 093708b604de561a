"""A recorded cloud writes down who asked for what, and how executions went."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .harness import RECORDING, Cloud, eventually

pytestmark = pytest.mark.cloud


def lines(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    text = (cloud.home / RECORDING / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_a_call_is_written_down_with_its_caller_operation_and_parameters(cloud: Cloud) -> None:
    bucket = cloud.output("BucketName")
    cloud.client("s3").put_object(Bucket=bucket, Key="a/key with spaces", Body=b"secret")
    (call,) = (
        each
        for each in lines(cloud, "calls.jsonl")
        if each["operation"] == "PutObject" and each["parameters"]["Key"] == "a/key with spaces"
    )
    assert (call["caller"], call["service"]) == ("test", "s3")
    assert call["parameters"]["Bucket"] == bucket
    assert "secret" not in json.dumps(call)


def test_functions_are_told_apart_from_each_other_and_from_the_cloud_itself(cloud: Cloud) -> None:
    answer = json.loads(cloud.invoke("echo", {})["Payload"])
    assert answer["environment"]["AWS_ACCESS_KEY_ID"] == "fixture-echo"
    assert "localcloud" not in {each["caller"] for each in lines(cloud, "calls.jsonl")}


def test_an_execution_is_written_down_with_its_history(cloud: Cloud) -> None:
    only = {"Type": "Succeed", "Output": {"value": 1}}
    cloud.run({"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": only}}, {"a": 1})
    found = eventually(
        lambda: [
            each
            for each in lines(cloud, "executions.jsonl")
            if json.loads(each["input"]) == {"a": 1}
        ]
    )
    kinds = [event["type"] for event in found[0]["history"]]
    assert kinds[0] == "ExecutionStarted"
    assert kinds[-1] == "ExecutionSucceeded"


def test_the_names_of_the_stack_are_written_down(cloud: Cloud) -> None:
    stack = json.loads((cloud.home / RECORDING / "stack.json").read_text(encoding="utf-8"))
    assert cloud.output("BucketName") in stack["resources"].values()
