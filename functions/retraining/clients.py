"""Puts the package together: settings from the environment, one client per service.

Everything is made once per process, when a handler's module is loaded.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from retraining.announcing import Announcer
from retraining.announcing_record import AnnouncingRecord
from retraining.decision import Policy
from retraining.executions import Executions
from retraining.golden import GoldenKeeper
from retraining.image_reading import READERS
from retraining.ledger import Ledger
from retraining.line_counts import LineCounter
from retraining.observability import publish
from retraining.pipeline_executions import PipelineExecutions
from retraining.reconcile import Reconciler
from retraining.registry import Registry
from retraining.run_plan import Planner
from retraining.search import Search
from retraining.settings import Settings, SettingsError
from retraining.storage import Bucket
from retraining.unpacking import Unpacker
from retraining.validation import Validator

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

_RETRIES = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=READERS)


@cache
def settings() -> Settings:
    """Read the environment."""
    return Settings.from_environment(os.environ)


@cache
def bucket() -> Bucket:
    """Open the bucket."""
    return Bucket(boto3.client("s3", config=_RETRIES), settings().bucket)


@cache
def ledger() -> Ledger:
    """Open the ledger."""
    return Ledger(_table())


def _table() -> "Table":
    return boto3.resource("dynamodb", config=_RETRIES).Table(settings().table)


@cache
def sagemaker() -> "SageMakerClient":
    """Connect to SageMaker."""
    return boto3.client("sagemaker", config=_RETRIES)


@cache
def ecr() -> "ECRClient":
    """Connect to the container registry."""
    return boto3.client("ecr", config=_RETRIES)


@cache
def registry() -> Registry:
    """Open the model registry."""
    return Registry(sagemaker(), settings().model_package_group)


@cache
def executions() -> Executions:
    """Open the Retrain state machine."""
    arn = settings().retrain_state_machine_arn
    if not arn:
        raise SettingsError("RETRAIN_STATE_MACHINE_ARN is not set; set it in the template.")
    return Executions(boto3.client("stepfunctions", config=_RETRIES), arn)


@cache
def pipeline_executions() -> PipelineExecutions:
    """Connect to the executions of the pipeline."""
    return PipelineExecutions(sagemaker())


@cache
def reconciler() -> Reconciler:
    """Make the reconciler."""
    given = settings()
    policy = Policy(given.min_new_lines, timedelta(minutes=given.max_wait_minutes))
    counter = LineCounter(bucket())
    return Reconciler(
        ledger(),
        executions(),
        policy=policy,
        count_lines=counter.count,
        pipelines=pipeline_executions(),
    )


@cache
def unpacker() -> Unpacker:
    """Make what unpacks archives."""
    return Unpacker(bucket())


@cache
def golden_keeper() -> GoldenKeeper:
    """Make what registers golden sets."""
    return GoldenKeeper(bucket(), ledger(), settings(), lambda: datetime.now(UTC))


@cache
def search() -> Search:
    """Make what looks for uploads that nobody announced."""
    return Search(bucket(), ledger(), lambda: datetime.now(UTC))


@cache
def validator() -> Validator:
    """Make the validator."""
    return Validator(bucket(), ledger(), registry(), settings())


@cache
def planner() -> Planner:
    """Make the planner."""
    return Planner(bucket(), ledger(), registry(), settings())


@cache
def cloudwatch() -> "CloudWatchClient":
    """Connect to the alarms."""
    return boto3.client("cloudwatch", config=_RETRIES)


@cache
def autoscaling() -> "ApplicationAutoScalingClient":
    """Connect to what changes an endpoint's number of instances."""
    return boto3.client("application-autoscaling", config=_RETRIES)


@cache
def announcer() -> Announcer:
    """Make what announces how executions ended."""
    arn, stack = settings().topic_arn, settings().prefix
    if not arn:
        raise SettingsError("TOPIC_ARN is not set; set it in the template.")
    return Announcer(
        stack=stack,
        topic_arn=arn,
        bucket=bucket(),
        topics=boto3.client("sns", config=_RETRIES),
        events=boto3.client("events", config=_RETRIES),
        record=AnnouncingRecord(_table()),
        measure=lambda measurements: publish(measurements, stack),
    )


@cache
def runtime() -> "SageMakerRuntimeClient":
    """Connect to SageMaker's endpoints; they answer within 60 s or never."""
    patience = Config(read_timeout=70, retries={"mode": "standard", "max_attempts": 2})
    return boto3.client("sagemaker-runtime", config=patience)
