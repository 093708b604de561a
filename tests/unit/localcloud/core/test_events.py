"""S3, EventBridge, SQS and Lambda carry events as AWS does."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest

from .harness import Cloud, eventually

pytestmark = pytest.mark.cloud


class Announcements:
    """Reads the queue that every event of the bucket goes to."""

    def __init__(self, cloud: Cloud) -> None:
        self._sqs = cloud.client("sqs")
        self._url = cloud.output("AnnouncementQueueUrl")

    def read(self, key: str, seconds: float = 3.0) -> list[dict[str, Any]]:
        """Return every event about a key; waits long enough to see one too many."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 40
        until: float | None = None
        while time.monotonic() < (until or deadline):
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in answer.get("Messages", []):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                event = json.loads(message["Body"])
                if event.get("detail", {}).get("object", {}).get("key") == key:
                    found.append(event)
            if found and until is None:
                until = time.monotonic() + seconds
        return found


@pytest.fixture
def announcements(cloud: Cloud) -> Announcements:
    return Announcements(cloud)


def test_a_put_is_announced_once_with_the_details_that_aws_gives(
    cloud: Cloud, announcements: Announcements
) -> None:
    bucket = cloud.output("BucketName")
    put = cloud.client("s3").put_object(
        Bucket=bucket, Key="a b/ü+1.txt", Body=b"hello", Tagging="colour=red"
    )

    (event,) = announcements.read("a b/ü+1.txt")

    assert event["source"] == "aws.s3"
    assert event["detail-type"] == "Object Created"
    assert event["account"] == cloud.connection.account_id
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
    detail = event["detail"]
    assert detail["bucket"] == {"name": bucket}
    assert detail["reason"] == "PutObject"
    assert detail["object"]["size"] == 5
    assert detail["object"]["etag"] == put["ETag"].strip('"')
    assert detail["object"]["version-id"] == put["VersionId"]
    assert int(detail["object"]["sequencer"], 16) > 0


def test_a_copy_is_announced_once(cloud: Cloud, announcements: Announcements) -> None:
    s3, bucket = cloud.client("s3"), cloud.output("BucketName")
    s3.put_object(Bucket=bucket, Key="original", Body=b"1")
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "original"})

    (event,) = announcements.read("copied")

    assert event["detail"]["reason"] == "CopyObject"


def test_a_multipart_upload_is_announced_once_and_when_complete(
    cloud: Cloud, announcements: Announcements
) -> None:
    s3, target = cloud.client("s3"), {"Bucket": cloud.output("BucketName"), "Key": "parts"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"x" * 10)["ETag"]
    s3.complete_multipart_upload(
        **target,
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part, "PartNumber": 1}]},
    )

    (event,) = announcements.read("parts")

    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    assert event["detail"]["object"]["size"] == 10


def test_later_events_of_a_key_have_greater_sequencers(
    cloud: Cloud, announcements: Announcements
) -> None:
    for body in (b"1", b"2", b"3"):
        cloud.client("s3").put_object(Bucket=cloud.output("BucketName"), Key="often", Body=body)

    events = announcements.read("often")

    by_sequencer = sorted(events, key=lambda event: event["detail"]["object"]["sequencer"])
    versions = cloud.client("s3").list_object_versions(
        Bucket=cloud.output("BucketName"), Prefix="often"
    )["Versions"]
    newest = next(version["VersionId"] for version in versions if version["IsLatest"])
    assert len(events) == 3
    assert by_sequencer[-1]["detail"]["object"]["version-id"] == newest


def test_tagging_an_object_is_announced_as_such(cloud: Cloud, announcements: Announcements) -> None:
    s3, target = cloud.client("s3"), {"Bucket": cloud.output("BucketName"), "Key": "tagged"}
    s3.put_object(**target, Body=b"1")
    s3.put_object_tagging(**target, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})

    kinds = sorted(event["detail-type"] for event in announcements.read("tagged"))

    assert kinds == ["Object Created", "Object Tags Added"]


def test_label_files_reach_the_function_in_batches_and_images_do_not(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), cloud.output("BucketName")
    for name in ("1.jpg", "labels/train.txt", "labels/val.txt"):
        s3.put_object(Bucket=bucket, Key=f"incoming/batches/{name}", Body=b"1")
    s3.put_object(Bucket=bucket, Key="elsewhere/batches/train.txt", Body=b"1")

    def keys() -> set[str]:
        return {
            json.loads(record["body"])["detail"]["object"]["key"]
            for batch in cloud.recorded("batch")
            for record in batch["Records"]
            if "batches" in record["body"]
        }

    expected = {f"incoming/batches/labels/{name}.txt" for name in ("train", "val")}
    eventually(lambda: keys() == expected)
    record = cloud.recorded("batch")[0]["Records"][0]
    assert record["eventSource"] == "aws:sqs"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageId"]
    assert record["receiptHandle"]


def test_only_the_message_that_failed_comes_again_and_ends_in_the_dead_letter_queue(
    cloud: Cloud,
) -> None:
    sqs = cloud.client("sqs")
    sqs.send_message_batch(
        QueueUrl=cloud.output("LabelQueueUrl"),
        Entries=[
            {"Id": "good", "MessageBody": "partial: accept"},
            {"Id": "bad", "MessageBody": "partial: reject"},
        ],
    )

    def dead() -> list[str]:
        answer = sqs.receive_message(QueueUrl=cloud.output("DeadLetterQueueUrl"), WaitTimeSeconds=1)
        return [message["Body"] for message in answer.get("Messages", [])]

    assert eventually(dead) == ["partial: reject"]
    bodies = [
        record["body"]
        for batch in cloud.recorded("batch")
        for record in batch["Records"]
        if record["body"].startswith("partial")
    ]
    assert sorted(bodies) == ["partial: accept", "partial: reject", "partial: reject"]


def test_a_rule_hands_a_part_of_the_event_to_its_function(cloud: Cloud) -> None:
    _put_event(cloud, "fixture.chosen", {"part": {"number": 7}, "rest": 1})

    eventually(lambda: {"number": 7} in [item["event"] for item in cloud.recorded("event")])


def test_a_rule_starts_a_state_machine(cloud: Cloud) -> None:
    marker = time.time_ns()
    _put_event(cloud, "fixture.asked", {"fine": True, "marker": marker})
    stepfunctions = cloud.client("stepfunctions")

    def started() -> str | None:
        executions = stepfunctions.list_executions(stateMachineArn=cloud.output("MachineArn"))
        for execution in executions["executions"]:
            arn = execution["executionArn"]
            described = stepfunctions.describe_execution(executionArn=arn)
            if str(marker) in described["input"]:
                return str(arn)
        return None

    description = cloud.finished(eventually(started))
    assert description["status"] == "SUCCEEDED"
    assert json.loads(description["output"])["verdict"] == "fine"


def test_a_failed_delivery_is_retried_and_does_not_hold_up_other_targets(cloud: Cloud) -> None:
    events, queue = cloud.client("events"), cloud.output("AnnouncementQueueArn")
    events.put_rule(Name="retries", EventPattern=json.dumps({"source": ["fixture.retries"]}))
    missing = queue.rsplit(":", 1)[0] + ":not-yet-there"
    events.put_targets(
        Rule="retries",
        Targets=[
            {"Id": "missing", "Arn": missing, "RetryPolicy": {"MaximumRetryAttempts": 20}},
            {
                "Id": "present",
                "Arn": queue,
                "InputTransformer": {
                    "InputPathsMap": {"key": "$.detail.key"},
                    "InputTemplate": '{"detail": {"object": {"key": "<key>"}}, "from": <key>}',
                },
            },
        ],
    )
    _put_event(cloud, "fixture.retries", {"key": "transformed"})

    (event,) = Announcements(cloud).read("transformed", seconds=0.1)
    assert event["from"] == "transformed"
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="not-yet-there")["QueueUrl"]
    messages = eventually(
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
    )
    assert json.loads(messages[0]["Body"])["detail"] == {"key": "transformed"}


def test_a_disabled_rule_delivers_nothing(cloud: Cloud) -> None:
    events, queue = cloud.client("events"), cloud.output("AnnouncementQueueArn")
    pattern = json.dumps({"source": ["fixture.disabled"]})
    events.put_rule(Name="disabled", EventPattern=pattern, State="DISABLED")
    events.put_targets(Rule="disabled", Targets=[{"Id": "queue", "Arn": queue}])
    detail = {"object": {"key": "disabled"}}
    _put_event(cloud, "fixture.disabled", detail)
    events.enable_rule(Name="disabled")
    _put_event(cloud, "fixture.disabled", detail)

    assert len(Announcements(cloud).read("disabled", seconds=1)) == 1


def _put_event(cloud: Cloud, source: str, detail: dict[str, Any]) -> None:
    answer = cloud.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Test", "Detail": json.dumps(detail)}]
    )
    assert answer["FailedEntryCount"] == 0
