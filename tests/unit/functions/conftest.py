"""The functions' world for tests: an environment, a bucket, a table, a group and a machine."""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import HealthCheck, settings
from moto import mock_aws
from tests.aws_environment import (
    ACCOUNT,
    BUCKET,
    ENVIRONMENT,
    IMAGE,
    MACHINE,
    REGION,
    TABLE,
    make_resources,
    png,
)

from retraining.ledger import Ledger
from retraining.ledger_items import Run
from retraining.storage import Bucket

# However busy the machine is: no test fails for being slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

__all__ = ["ACCOUNT", "BUCKET", "ENVIRONMENT", "IMAGE", "MACHINE", "REGION", "TABLE", "png"]

EVENTS = Path(__file__).parents[3] / "events"
RUN = "20261122-101545-3fa9c1"
NOW = datetime(2026, 11, 22, 10, 15, 45, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Context:
    """What awslambdaric hands to a handler, as far as Powertools looks at it."""

    function_name: str = "function"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture(scope="session")
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@cache
def client(name: str) -> Any:  # noqa: ANN401  # one of many client classes
    """Connect once per service: making a client takes longer than most tests."""
    return boto3.client(name)  # type: ignore[call-overload]


@pytest.fixture
def aws(environment: None) -> Iterator[None]:
    with mock_aws():
        make_resources(client)
        yield


@pytest.fixture
def clients(aws: None) -> ModuleType:
    return importlib.import_module("retraining.clients")


@pytest.fixture
def bucket(clients: ModuleType) -> Bucket:
    found: Bucket = clients.bucket()
    return found


@pytest.fixture
def ledger(clients: ModuleType) -> Ledger:
    found: Ledger = clients.ledger()
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def invoke(aws: None) -> Callable[[str, dict[str, Any]], Any]:
    """Call a handler with an event, as the Lambda runtime does: JSON in, JSON out."""

    def call(name: str, event: dict[str, Any]) -> dict[str, Any]:
        handler = importlib.import_module(name).handler
        answer = handler(json.loads(json.dumps(event)), Context())
        told: dict[str, Any] = json.loads(json.dumps(answer))
        return told

    return call


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / name).read_text(encoding="utf-8"))
    return loaded


def put(key: str, body: bytes | str) -> str:
    """Upload an object and return its ETag."""
    data = body.encode() if isinstance(body, str) else body
    answer = client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)
    return str(answer["ETag"]).strip('"')


def get(key: str) -> str:
    body = client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return str(body.decode("utf-8"))


def item(pk: str, sk: str) -> dict[str, Any] | None:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    found = client("dynamodb").get_item(TableName=TABLE, Key=key).get("Item")
    read = TypeDeserializer().deserialize
    return {name: read(value) for name, value in found.items()} if found else None


def begin(*datasets: str, run_id: str = RUN) -> None:
    """Let the ledger know of an active run."""
    ledger = importlib.import_module("retraining.clients").ledger()
    ledger.begin_run(Run(run_id, "arn:execution", datasets, NOW))


def drop(
    dataset: str, count: int, *, first_seed: int = 0, label_file: str = "labels/train.txt"
) -> None:
    """Upload a good dataset: images first, the label file last."""
    rows = []
    for index in range(count):
        put(f"incoming/{dataset}/images/{index}.png", png(first_seed + index))
        rows.append(f"images/{index}.png\t{1000 + index}\n")
    put(f"incoming/{dataset}/{label_file}", "".join(rows))


def approved_package(
    *,
    version_data: str = "v1",
    dictionary: str | None = None,
    status: str = "Approved",
    artefact: bool = True,
) -> str:
    """Register a package and return its ARN."""
    if artefact:
        put(f"models/{version_data}/output/model.tar.gz", b"model")
    properties = {"run_id": f"base-{version_data}"}
    if dictionary is not None:
        put(f"models/{version_data}/output/dict.txt", dictionary)
        properties["dictionary_uri"] = f"s3://{BUCKET}/models/{version_data}/output/dict.txt"
    answer = client("sagemaker").create_model_package(
        ModelPackageGroupName="ocr-retrain",
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [
                {
                    "Image": IMAGE,
                    "ModelDataUrl": f"s3://{BUCKET}/models/{version_data}/output/model.tar.gz",
                }
            ],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties=properties,
    )
    return str(answer["ModelPackageArn"])
