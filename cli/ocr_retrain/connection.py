"""Which cloud the commands talk to: the local one when it is up, else AWS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from localcloud import lifecycle
from ocr_retrain.errors import UserError
from ocr_retrain.repository import local_cloud_home
from ocr_retrain.stack import Stack, read_stack
from retraining.ledger import Ledger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_stepfunctions import SFNClient

    from localcloud.lifecycle import Connection

DEFAULT_STACK = "ocr-retrain"
UPLOAD_THREADS = 16
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=10,
    read_timeout=90,
    max_pool_connections=UPLOAD_THREADS,
    user_agent_extra="ocr-retrain",
)


class CloudChoice(StrEnum):
    """Which cloud a person asks for."""

    AUTO = "auto"
    LOCAL = "local"
    AWS = "aws"


@dataclass(frozen=True)
class Cloud:
    """A connection to one deployed stack.

    ``endpoint_url`` is set for the local cloud only; ``description`` says in a few words which
    cloud this is; ``poll_seconds`` is how often it is polite to ask for news.
    """

    session: boto3.Session
    endpoint_url: str | None
    description: str
    stack: Stack

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks at something that runs."""
        return 0.5 if self.endpoint_url else 3.0

    @cached_property
    def s3(self) -> S3Client:
        """The S3 client."""
        return self.session.client("s3", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """The Step Functions client."""
        return self.session.client("stepfunctions", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def sagemaker(self) -> SageMakerClient:
        """The SageMaker client."""
        return self.session.client("sagemaker", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def sagemaker_runtime(self) -> SageMakerRuntimeClient:
        """The client that calls endpoints."""
        return self.session.client(
            "sagemaker-runtime", endpoint_url=self.endpoint_url, config=_CONFIG
        )

    @cached_property
    def lambda_(self) -> LambdaClient:
        """The Lambda client."""
        return self.session.client("lambda", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def ledger(self) -> Ledger:
        """The stack's ledger."""
        dynamodb = self.session.resource("dynamodb", endpoint_url=self.endpoint_url, config=_CONFIG)
        return Ledger(dynamodb.Table(self.stack.table))

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """The CloudWatch Logs client."""
        return self.session.client("logs", endpoint_url=self.endpoint_url, config=_CONFIG)


def connect(
    choice: CloudChoice = CloudChoice.AUTO,
    stack_name: str = DEFAULT_STACK,
    home: Path | None = None,
) -> Cloud:
    """Return the connection that ``choice`` means; raises UserError when there is none."""
    if choice is not CloudChoice.AWS:
        local = _running_local_cloud(local_cloud_home(home))
        if local is not None:
            return connect_local(local, stack_name)
        if choice is CloudChoice.LOCAL:
            raise UserError("No local cloud is up: start it with `ocr-retrain local up`.")
    return _connect_aws(stack_name)


def connect_local(connection: Connection, stack_name: str = DEFAULT_STACK) -> Cloud:
    """Return the connection to a local cloud that is up."""
    environment = connection.environment()
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=connection.region,
    )
    cloudformation = session.client(
        "cloudformation", endpoint_url=connection.endpoint_url, config=_CONFIG
    )
    return Cloud(
        session=session,
        endpoint_url=connection.endpoint_url,
        description=f"local cloud at {connection.endpoint_url}",
        stack=read_stack(cloudformation, stack_name),
    )


def _running_local_cloud(home: Path) -> Connection | None:
    return lifecycle.status(home)


def _connect_aws(stack_name: str) -> Cloud:
    session = boto3.Session()
    if session.region_name is None:
        raise UserError(
            "No local cloud is up and no AWS region is configured: run `ocr-retrain local up`, "
            "or set AWS_DEFAULT_REGION (or AWS_PROFILE) to talk to AWS."
        )
    account = session.client("sts", config=_CONFIG).get_caller_identity()["Account"]
    elsewhere = os.environ.get("AWS_ENDPOINT_URL")
    return Cloud(
        session=session,
        endpoint_url=None,
        description=f"AWS account {account}, region {session.region_name}"
        + (f", at {elsewhere}" if elsewhere else ""),
        stack=read_stack(session.client("cloudformation", config=_CONFIG), stack_name),
    )
