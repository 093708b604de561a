"""What people and machines are told of runs, through the deployed topic and event bus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.integration.stack import Stack

pytestmark = pytest.mark.cloud

PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Post:
    """Queues at the topic and at the event bus, and what has come to them so far."""

    stack: Stack
    queues: dict[str, str]
    come: dict[str, list[dict[str, Any]]]

    def wait(self, kind: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first message or event that is wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for each in self.come[kind]:
                if wanted(each):
                    return each
            self.fetch(kind, seconds=2)
        raise AssertionError(f"no such {kind}: {self.come[kind]}")

    def fetch(self, kind: str, seconds: int = 0) -> None:
        """Take in what has arrived by now."""
        answer = self.stack.client("sqs").receive_message(
            QueueUrl=self.queues[kind], MaxNumberOfMessages=10, WaitTimeSeconds=seconds
        )
        for each in answer.get("Messages", []):
            self.come[kind].append(json.loads(each["Body"]))
            self.stack.client("sqs").delete_message(
                QueueUrl=self.queues[kind], ReceiptHandle=each["ReceiptHandle"]
            )


@pytest.fixture(scope="module")
def post(stack: Stack) -> Post:
    sqs, topic = stack.client("sqs"), stack.outputs["TopicArn"]
    queues = {kind: sqs.create_queue(QueueName=kind)["QueueUrl"] for kind in ("message", "event")}
    arn = topic.replace(":sns:", ":sqs:").rpartition(":")[0]
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}:message")
    events = stack.client("events")
    events.put_rule(Name="listen", EventPattern=json.dumps({"source": ["ocr-retrain"]}))
    events.put_targets(Rule="listen", Targets=[{"Id": "queue", "Arn": f"{arn}:event"}])
    return Post(stack, queues, {kind: [] for kind in queues})


def upload(stack: Stack, dataset: str, labels: bytes) -> None:
    key = f"incoming/{dataset}/labels/train.txt"
    stack.s3.put_object(Bucket=stack.outputs["BucketName"], Key=key, Body=labels)


def test_a_run_without_a_usable_line_tells_what_to_do(stack: Stack, post: Post) -> None:
    upload(stack, "broken data", b"no tab here\n")

    told = post.wait("message", lambda each: "'broken data'" in each.get("Message", ""))
    run_id = told["Subject"].rpartition(" ")[2]
    assert told["Subject"] == f"{stack.outputs['Prefix']}: Nothing to train, run {run_id}"
    assert told["Message"].startswith("Nothing to train: ")
    assert "  - ocr-retrain datasets 'broken data'   " in told["Message"]
    assert f":execution:{stack.outputs['Prefix']}-retrain:{run_id}" in told["Message"]

    event = post.wait("event", lambda each: each["detail"].get("run_id") == run_id)
    assert event["detail-type"] == "OCR Retraining Finished"
    assert event["detail"]["outcome"] == "Nothing to train"
    assert event["detail"]["datasets"] == ["broken data"]
    assert event["detail"]["set_aside"] == [{"code": "no_tab", "count": 1}]


def test_a_run_that_is_stopped_is_told_of_as_well(stack: Stack, post: Post) -> None:
    # It waits for its image, so it does not end by itself meanwhile.
    upload(stack, "stopped", b"images/1.png\t1\n")
    stack.stepfunctions.stop_execution(executionArn=running_execution(stack))

    told = post.wait("message", lambda each: ": Aborted, run " in each.get("Subject", ""))
    assert "  - ocr-retrain retry stopped   " in told["Message"]


def running_execution(stack: Stack) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = stack.stepfunctions.list_executions(
            stateMachineArn=stack.outputs["RetrainStateMachineArn"], statusFilter="RUNNING"
        )["executions"]
        if found:
            return found[0]["executionArn"]
        time.sleep(0.2)
    raise AssertionError("no run began")


def test_every_end_was_told_once(post: Post) -> None:
    time.sleep(3)
    for kind in post.queues:
        post.fetch(kind)
    runs = [each["detail"]["run_id"] for each in post.come["event"]]
    assert len(set(runs)) == len(runs)
    subjects = [each["Subject"] for each in post.come["message"]]
    assert len(set(subjects)) == len(subjects)


def test_alarms_notify_the_encrypted_topic_and_the_dashboard_is_there(stack: Stack) -> None:
    topic = stack.outputs["TopicArn"]
    about = stack.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    assert ":key/" in about["KmsMasterKeyId"]
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) >= 7
    assert all(each["AlarmActions"] == [topic] for each in alarms)
    names = stack.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert [each["DashboardName"].startswith(stack.outputs["Prefix"]) for each in names] == [True]
