"""A moto server with the local SageMaker in it, and images made of small scripts."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from localcloud import eventbridge_targets, processes, sagemaker_install
from localcloud.context import CloudContext, LocalImage

from .harness import (
    BUCKET,
    IMAGE,
    ROLE,
    Cloud,
    forbid_unknown_members,
    repairs_undone,
    unique,
)


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    here = Path(__file__).parent
    image = LocalImage(
        "test",
        (here / "images", Path(sys.executable).parent),
        {"COLOUR": "red", "LC_ALL": "C.UTF-8"},
    )
    context = CloudContext(
        home=tmp_path_factory.mktemp("cloud"),
        endpoint_url=f"http://{host}:{port}",
        region="us-east-1",
        account_id="123456789012",
        repo=here,
        images={IMAGE: image},
    )
    with repairs_undone(), pytest.MonkeyPatch.context() as patch:
        forbid_unknown_members(patch)
        eventbridge_targets.install(context)
        close = sagemaker_install.install(context)
        cloud = Cloud(context)
        buckets = cloud.client("s3").list_buckets()["Buckets"]
        if BUCKET not in [bucket["Name"] for bucket in buckets]:
            cloud.client("s3").create_bucket(Bucket=BUCKET)
        yield cloud
        close()
        processes.terminate_all()
        left = processes.children()
        processes.reopen()
        server.stop()
    assert left == ()


@pytest.fixture
def training_request() -> Callable[..., dict[str, Any]]:
    """Make a CreateTrainingJob request; ``act`` says what the stand-in does."""

    def make(name: str, act: str = "succeed", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "accuracy", "Regex": r"accuracy=([0-9.]+)"}],
            },
            "HyperParameters": {"act": act},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models/"},
            "ResourceConfig": {
                "InstanceType": "ml.g5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }

    return make


@pytest.fixture
def bus(cloud: Cloud) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return a function that gives the SageMaker events so far, in no certain order."""
    events, sqs, name = cloud.client("events"), cloud.client("sqs"), unique("bus")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    seen: list[dict[str, Any]] = []

    def collect() -> list[dict[str, Any]]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                seen.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return seen

    yield collect
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)
