"""What SageMaker tells of a run's jobs, failed attempts included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining.report.inputs import Job

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_TRAINING = re.compile(r"(?P<base>.+)-(?P<capacity>[sd])(?P<attempt>\d{1,3})")
_EVALUATION = re.compile(r"(?P<base>.+)-(?P<attempt>\d{1,3})")
# What the state machine's retries of one job add up to.
_MOST_ATTEMPTS = 24
_UNKNOWN = frozenset({"ValidationException", "ResourceNotFound"})


def training_attempts(last: str) -> Iterator[str]:
    """Name every job that may have run before the one that succeeded, and that one.

    An attempt on demand comes after attempts on spot capacity, whose number nobody kept.
    """
    found = _TRAINING.fullmatch(last)
    if found is None:
        yield from filter(None, [last])
        return
    base, capacity = found["base"], found["capacity"]
    if capacity == "d":
        yield from (f"{base}-s{attempt}" for attempt in range(_MOST_ATTEMPTS))
    yield from (f"{base}-{capacity}{attempt}" for attempt in _up_to(found))


def evaluation_attempts(last: str) -> Iterator[str]:
    """Name every job that may have run before the one that succeeded, and that one."""
    found = _EVALUATION.fullmatch(last)
    if found is None:
        yield from filter(None, [last])
        return
    yield from (f"{found['base']}-{attempt}" for attempt in _up_to(found))


def jobs_of(client: SageMakerClient, training_job: str, evaluation_job: str) -> tuple[Job, ...]:
    """Describe the jobs of a run. Raises ClientError when SageMaker refuses to tell."""
    found = []
    for name in training_attempts(training_job):
        if told := _described(client.describe_training_job, TrainingJobName=name):
            found.append(_training(told))
    for name in evaluation_attempts(evaluation_job):
        if told := _described(client.describe_processing_job, ProcessingJobName=name):
            found.append(_evaluation(told))
    return tuple(found)


def _up_to(found: re.Match[str]) -> range:
    last = int(found["attempt"])
    return range(max(0, last - _MOST_ATTEMPTS), last + 1)


def _described(describe: Callable[..., Mapping[str, Any]], **name: str) -> Mapping[str, Any] | None:
    try:
        return describe(**name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            return None
        raise


def _training(told: Mapping[str, Any]) -> Job:
    resources = told["ResourceConfig"]
    return Job(
        kind="training",
        name=told["TrainingJobName"],
        status=told["TrainingJobStatus"],
        instance_type=resources["InstanceType"],
        instance_count=resources.get("InstanceCount", 1),
        seconds=told.get("TrainingTimeInSeconds"),
        billable_seconds=told.get("BillableTimeInSeconds"),
        spot=told.get("EnableManagedSpotTraining", False),
        image=told["AlgorithmSpecification"].get("TrainingImage", ""),
    )


def _evaluation(told: Mapping[str, Any]) -> Job:
    cluster = told["ProcessingResources"]["ClusterConfig"]
    start, end = told.get("ProcessingStartTime"), told.get("ProcessingEndTime")
    return Job(
        kind="evaluation",
        name=told["ProcessingJobName"],
        status=told["ProcessingJobStatus"],
        instance_type=cluster["InstanceType"],
        instance_count=cluster.get("InstanceCount", 1),
        seconds=(end - start).total_seconds() if start and end else None,
        image=told["AppSpecification"].get("ImageUri", ""),
    )
