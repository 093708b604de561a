"""Clouds to test against: moto for what it simulates well, fakes for executions."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from ocr_retrain.connection import Cloud
from ocr_retrain.stack import Stack

from .fakes import ARN, FakeStepFunctions


@pytest.fixture
def stack() -> Stack:
    return Stack(
        name="ocr-retrain",
        bucket="labelled-data",
        table="ocr-retrain-ledger",
        retrain_state_machine=f"{ARN}:stateMachine:ocr-retrain-retrain",
        deploy_state_machine=f"{ARN}:stateMachine:ocr-retrain-deploy",
        transcribe_state_machine=f"{ARN}:stateMachine:ocr-retrain-transcribe",
        model_package_group="ocr-retrain",
        endpoint="ocr-retrain",
        inference_image="210987654321.dkr.ecr.eu-west-1.amazonaws.com/ocr-retrain/inference:1",
        prefix="ocr-retrain",
    )


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One session, because it keeps the service models it has read."""
    return boto3.Session("testing", "testing", region_name="eu-west-1")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, session: boto3.Session, stack: Stack) -> Iterator[Cloud]:
    """A stack in moto, with its bucket and its model package group."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = Cloud(session, None, "AWS account 210987654321, region eu-west-1", stack)
        made.s3.create_bucket(
            Bucket=stack.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        made.session.client("dynamodb").create_table(
            TableName=stack.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        made.sagemaker.create_model_package_group(ModelPackageGroupName=stack.model_package_group)
        yield made


@pytest.fixture
def connected(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The same cloud, which every command then connects to."""
    monkeypatch.setattr("ocr_retrain.commands.options.connect", lambda choice, stack: cloud)
    monkeypatch.setattr(Cloud, "poll_seconds", 0.0)
    return cloud


@pytest.fixture
def executions(connected: Cloud) -> FakeStepFunctions:
    """The executions that the connected cloud tells of; none at first."""
    fake = FakeStepFunctions()
    connected.__dict__["stepfunctions"] = fake
    return fake
