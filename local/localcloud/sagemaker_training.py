"""Training jobs: the API.

moto answers CreateTrainingJob with a job that is Completed at once, with invented metrics, takes
the same name twice, and lacks StopTrainingJob. Here a job runs the image's ``train`` and goes
through AWS's statuses; the work itself is in ``sagemaker_training_run``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.sagemaker_api import Parameters
from localcloud.sagemaker_errors import JobInputError, RequestInvalidError
from localcloud.sagemaker_jobs import Jobs
from localcloud.sagemaker_training_job import TrainingJob
from localcloud.sagemaker_training_run import TrainingRun

# Every instance is a process of its own here.
_MOST_INSTANCES = 8
_LONGEST_KEEP_ALIVE_SECONDS = 3600


class TrainingJobs(Jobs[TrainingJob]):
    """All training jobs of this cloud."""

    kind = TrainingJob.kind

    def unsupported(self, request: Parameters) -> Iterator[str]:
        """Name what a request wants that cannot be done here."""
        return _unsupported(request)

    def check(self, request: Parameters) -> None:
        """Raise RequestInvalidError for what AWS refuses before it takes a job."""
        _check_semantics(request)
        self._check_inputs(request)

    def new_job(self, request: Parameters, arn: str) -> TrainingJob:
        """Make the job of a request."""
        return TrainingJob(request, arn, self.announce)

    def begin(self, job: TrainingJob) -> None:
        """Enter the first phase, which is announced."""
        job.enter("Starting", "Starting the training job")

    def work(self, job: TrainingJob) -> None:
        """Train, to the job's last status."""
        TrainingRun(
            self._context, self._clients, self._transfer, job, self._stop_grace_seconds
        ).execute()

    def name_taken(self, arn: str) -> str:
        """Say, as AWS does, that there is a job of that name."""
        return (
            "Training job names must be unique within an AWS account and region, and a training "
            f"job with this name already exists ({arn})"
        )

    def not_found(self, name: str) -> Exception:
        """Return the error AWS answers with when there is no job of that name."""
        return RequestInvalidError("Requested resource not found.")

    def _check_inputs(self, request: Parameters) -> None:
        """AWS looks for the data before it accepts the job."""
        for channel in request.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            try:
                found = self._transfer.resolve(source["S3Uri"], source["S3DataType"])
            except JobInputError as error:
                raise RequestInvalidError(str(error)) from error
            if not found:
                bucket = source["S3Uri"].removeprefix("s3://").partition("/")[0]
                raise RequestInvalidError(
                    f'No S3 objects found under S3 URL "{source["S3Uri"]}" given in input data '
                    "source. Please ensure that the bucket exists in the selected region "
                    f"({self._context.region}), that objects exist under that S3 prefix, and that "
                    f'the role "{request["RoleArn"]}" has "s3:ListBucket" permissions on bucket '
                    f'"{bucket}".'
                )


def _check_semantics(request: Parameters) -> None:
    stopping = request.get("StoppingCondition", {})
    if request.get("EnableManagedSpotTraining"):
        limit = stopping.get("MaxRuntimeInSeconds", 86_400)
        if stopping.get("MaxWaitTimeInSeconds", 0) < limit:
            raise RequestInvalidError(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds"
            )
    _check_warm_pool(request)
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(names)) < len(names):
        raise RequestInvalidError("Channel names must be unique.")
    for metric in request["AlgorithmSpecification"].get("MetricDefinitions", []):
        try:
            re.compile(metric["Regex"])
        except re.error as error:
            raise RequestInvalidError(
                f"The regex of metric {metric['Name']} is invalid: {error}."
            ) from error


def _check_warm_pool(request: Parameters) -> None:
    seconds = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)
    if seconds and request.get("EnableManagedSpotTraining"):
        raise RequestInvalidError(
            "KeepAlivePeriodInSeconds cannot be used with managed spot training."
        )
    if seconds > _LONGEST_KEEP_ALIVE_SECONDS:
        raise RequestInvalidError(
            f"KeepAlivePeriodInSeconds is {seconds}; it can be at most "
            f"{_LONGEST_KEEP_ALIVE_SECONDS}."
        )


def _unsupported(request: Parameters) -> Iterator[str]:
    algorithm = request["AlgorithmSpecification"]
    if "TrainingImage" not in algorithm:
        yield "training without AlgorithmSpecification.TrainingImage"
    resources = request.get("ResourceConfig", {})
    if resources.get("InstanceGroups"):
        yield "training on instance groups"
    if resources.get("InstanceCount", 1) > _MOST_INSTANCES:
        yield f"training on more than {_MOST_INSTANCES} instances"
    if request["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
        yield "uncompressed training output"
    if algorithm["TrainingInputMode"] == "Pipe":
        yield "Pipe input mode"
    for channel in request.get("InputDataConfig", []):
        yield from _unsupported_in_channel(channel)
        source = channel["DataSource"].get("S3DataSource", {})
        if source.get("S3DataDistributionType", "FullyReplicated") != "FullyReplicated":
            yield f"data that is divided among instances in channel {channel['ChannelName']}"


def _unsupported_in_channel(channel: Mapping[str, Any]) -> Iterator[str]:
    where = f"in channel {channel['ChannelName']}"
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        yield f"other data sources than S3 {where}"
        return
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        yield f"S3DataType {source['S3DataType']} {where}"
    if channel.get("InputMode") == "Pipe":
        yield f"Pipe input mode {where}"
    if channel.get("CompressionType", "None") != "None":
        yield f"compressed input {where}"
    if channel.get("RecordWrapperType", "None") != "None":
        yield f"RecordIO {where}"
