"""What the tests of the local SageMaker use to drive it."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.events.models import Rule
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, Model
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from localcloud import sagemaker_api
from localcloud.context import CloudContext
from localcloud.sagemaker_validation import service_model

_REPAIRED = (
    SageMakerResponse,
    SageMakerRuntimeResponse,
    Model,
    FakeEndpointConfig,
    FakeEndpoint,
    Rule,
)
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/test/image:local"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
BUCKET = "sagemaker-tests"


@dataclass(frozen=True)
class Cloud:
    """The running cloud, as the tests use it."""

    context: CloudContext

    def client(self, service: str) -> Any:  # noqa: ANN401
        return _client(self.context, service)

    @property
    def sagemaker(self) -> Any:  # noqa: ANN401
        return self.client("sagemaker")

    def put(self, objects: Mapping[str, str | bytes]) -> None:
        for key, content in objects.items():
            body = content.encode() if isinstance(content, str) else content
            self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str) -> list[str]:
        listed = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def put_model(self, behaviour: str) -> str:
        """Upload a model.tar.gz for the stand-in of the inference image; return its URI."""
        key = f"models/{uuid.uuid4().hex}/model.tar.gz"
        self.put({key: archive({"behaviour": behaviour})})
        return f"s3://{BUCKET}/{key}"

    def log_lines(self, group: str, prefix: str) -> list[str]:
        logs = self.client("logs")
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
        return [
            event["message"]
            for stream in streams["logStreams"]
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]


def archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as content:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            content.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        return {
            member.name: handle.read().decode()
            for member in opened.getmembers()
            if (handle := opened.extractfile(member)) is not None
        }


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> Any:  # noqa: ANN401
    """Return the first true value of ``condition``; fail the test when there is none."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    return pytest.fail("The condition was not met in time.")


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@contextmanager
def repairs_undone() -> Iterator[None]:
    """Leave moto as it was at first: other tests of this process use it."""
    before = {repaired: dict(vars(repaired)) for repaired in _REPAIRED}
    try:
        yield
    finally:
        for repaired, attributes in before.items():
            for name in set(vars(repaired)) - set(attributes):
                delattr(repaired, name)
            for name, value in attributes.items():
                if vars(repaired)[name] is not value:
                    setattr(repaired, name, value)


def forbid_unknown_members(patch: pytest.MonkeyPatch) -> None:
    """moto drops members that the service model does not know: a misspelled one must not pass."""
    original = sagemaker_api._method

    def method(name: str, operation: sagemaker_api.Operation) -> Callable[[Any], object]:
        def checked(parameters: sagemaker_api.Parameters) -> sagemaker_api.Document | None:
            answer = operation(parameters)
            _check(service_model().operation_model(name).output_shape, answer or {}, name)
            return answer

        return original(name, checked)

    patch.setattr(sagemaker_api, "_method", method)


def _check(shape: Any, value: Any, path: str) -> None:  # noqa: ANN401
    if shape is None:
        assert not value, path
    elif shape.type_name == "structure":
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{path} has no {unknown}"
        for name, member in value.items():
            _check(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list" and value is not None:
        for member in value:
            _check(shape.member, member, f"{path}[]")


def _client(context: CloudContext, service: str) -> Any:  # noqa: ANN401
    make: Any = _session.client
    if (context.endpoint_url, service) not in _clients:
        _clients[context.endpoint_url, service] = make(service, endpoint_url=context.endpoint_url)
    return _clients[context.endpoint_url, service]


_clients: dict[tuple[str, str], Any] = {}
_session = boto3.session.Session(
    aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1"
)
