from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ocr_retrain import connection
from ocr_retrain.connection import CloudChoice, connect, connect_local
from ocr_retrain.errors import UserError
from ocr_retrain.repository import find_root, local_cloud_home
from ocr_retrain.stack import Stack

OUTPUTS = {
    "BucketName": "b",
    "RetrainStateMachineArn": "r",
    "DeployStateMachineArn": "d",
    "TranscribeStateMachineArn": "s",
    "ModelPackageGroupName": "g",
    "EndpointName": "e",
    "InferenceImageUri": "i",
    "Prefix": "p",
    "TableName": "t",
}
TEMPLATE = (
    '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {'
    + ", ".join(f'"{name}": {{"Value": "{value}"}}' for name, value in OUTPUTS.items())
    + "}}"
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "OCR_RETRAIN_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(connection, "_running_local_cloud", lambda home: None)
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="ocr-retrain", TemplateBody=TEMPLATE)
        yield cloudformation


@pytest.fixture
def local() -> Any:
    return SimpleNamespace(
        endpoint_url="http://127.0.0.1:45678",
        region="us-east-1",
        environment=lambda: {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"},
    )


def test_aws_is_used_when_no_local_cloud_is_up(aws: Any) -> None:
    cloud = connect()

    assert cloud.description == "AWS account 123456789012, region eu-west-1"
    assert cloud.endpoint_url is None
    assert cloud.stack.bucket == "b"


def test_local_cloud_is_preferred_when_it_is_up(
    aws: Any, local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_running_local_cloud", lambda home: local)
    seen: list[str] = []

    def read(cloudformation: Any, name: str) -> Stack:
        seen.append(cloudformation.meta.endpoint_url)
        return Stack.from_outputs(name, OUTPUTS)

    monkeypatch.setattr(connection, "read_stack", read)

    cloud = connect()

    assert cloud.description == "local cloud at http://127.0.0.1:45678"
    assert cloud.s3.meta.endpoint_url == "http://127.0.0.1:45678"
    assert seen == ["http://127.0.0.1:45678"]
    assert connect(CloudChoice.AWS).endpoint_url is None
    assert connect_local(local).poll_seconds < connect(CloudChoice.AWS).poll_seconds


def test_asking_for_a_local_cloud_that_is_down_is_an_error(aws: Any) -> None:
    with pytest.raises(UserError, match="local up"):
        connect(CloudChoice.LOCAL)


def test_missing_stack_says_how_to_get_one(aws: Any) -> None:
    with pytest.raises(UserError, match="There is no stack other here"):
        connect(CloudChoice.AWS, "other")


def test_missing_region_says_what_to_set(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(UserError, match="AWS_DEFAULT_REGION"):
        connect(CloudChoice.AWS)


def test_stack_of_another_template_names_what_it_lacks() -> None:
    with pytest.raises(UserError, match="no output DeployStateMachineArn, Prefix:"):
        Stack.from_outputs("s", {**OUTPUTS, "DeployStateMachineArn": "", "Prefix": ""})


def test_home_of_the_local_cloud_follows_option_then_environment_then_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OCR_RETRAIN_HOME", str(tmp_path / "environment"))
    assert local_cloud_home(tmp_path / "option") == tmp_path / "option"
    assert local_cloud_home() == tmp_path / "environment"
    monkeypatch.delenv("OCR_RETRAIN_HOME")
    assert local_cloud_home() == (find_root() or Path.cwd()) / ".local-cloud"
