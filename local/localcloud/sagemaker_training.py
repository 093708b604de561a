"""Training jobs: the API.

moto answers CreateTrainingJob with a job that is Completed at once, with invented metrics, takes
the same name twice, and lacks StopTrainingJob. Here a job runs the image's ``train`` and goes
through AWS's statuses; the work itself is in ``sagemaker_training_run``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.sagemaker_api import Document, Operation, Parameters
from localcloud.sagemaker_errors import JobInputError, RequestInvalidError, ResourceInUseError
from localcloud.sagemaker_events import StateChanges, tags_of
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_names import ArnMaker
from localcloud.sagemaker_training_job import TrainingJob
from localcloud.sagemaker_training_run import STOP_GRACE_SECONDS, TrainingRun
from localcloud.sagemaker_transfer import Transfer


class TrainingJobs:
    """All training jobs of this cloud."""

    def __init__(
        self,
        context: CloudContext,
        clients: Clients,
        events: StateChanges,
        *,
        stop_grace_seconds: float = STOP_GRACE_SECONDS,
    ) -> None:
        """Start empty; ``stop_grace_seconds`` lie between SIGTERM and SIGKILL."""
        self._context = context
        self._clients = clients
        self._events = events
        self._arns = ArnMaker.of(context)
        self._transfer = Transfer(context, clients)
        self._stop_grace_seconds = stop_grace_seconds
        self._jobs: dict[str, TrainingJob] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list_jobs,
            "StopTrainingJob": self.stop,
        }

    def resources(self) -> Iterator[TrainingJob]:
        """Return everything that can be tagged."""
        return iter(list(self._jobs.values()))

    def create(self, request: Parameters) -> Document:
        """Start a job.

        Raises ResourceInUseError for a name already used, RequestInvalidError for what AWS
        refuses and for what cannot be run here.
        """
        _refuse_unsupported(request)
        _check_semantics(request)
        self._check_inputs(request)
        name = request["TrainingJobName"]
        with self._lock:
            if name in self._jobs:
                raise ResourceInUseError(
                    "Training job names must be unique within an AWS account and region, and a "
                    f"training job with this name already exists ({self._jobs[name].arn})"
                )
            job = TrainingJob(request, self._arns.make("training-job", name), self._announce)
            self._jobs[name] = job
        job.enter("Starting", "Starting the training job")
        run = TrainingRun(
            self._context, self._clients, self._transfer, job, self._stop_grace_seconds
        )
        threading.Thread(target=run.execute, name=f"training {name}", daemon=True).start()
        return {"TrainingJobArn": job.arn}

    def describe(self, request: Parameters) -> Document:
        """Return a job's state; raises RequestInvalidError when there is none."""
        return self._job(request).describe()

    def list_jobs(self, request: Parameters) -> Document:
        """Return a page of job summaries."""
        page, token = list_page(self._jobs.values(), request)
        return {"TrainingJobSummaries": [job.summary() for job in page], "NextToken": token}

    def stop(self, request: Parameters) -> None:
        """Ask a running job to stop; raises RequestInvalidError when it is not running."""
        job = self._job(request)
        if not job.request_stop():
            raise RequestInvalidError(
                f"The request was rejected because the training job is in status {job.status}."
            )

    def _job(self, request: Parameters) -> TrainingJob:
        job = self._jobs.get(request["TrainingJobName"])
        if job is None:
            raise RequestInvalidError("Requested resource not found.")
        return job

    def _announce(self, job: TrainingJob) -> None:
        tags = tags_of(job.tags)
        self._events.announce(
            "Training Job State Change", job.arn, {**job.describe(), "Tags": tags}
        )

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


def _refuse_unsupported(request: Parameters) -> None:
    for reason in _unsupported(request):
        raise RequestInvalidError(f"The local cloud does not support {reason}.")


def _unsupported(request: Parameters) -> Iterator[str]:
    algorithm = request["AlgorithmSpecification"]
    if "TrainingImage" not in algorithm:
        yield "training without AlgorithmSpecification.TrainingImage"
    resources = request.get("ResourceConfig", {})
    if resources.get("InstanceCount", 1) != 1 or resources.get("InstanceGroups"):
        yield "training on more than one instance"
    if request["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
        yield "uncompressed training output"
    if algorithm["TrainingInputMode"] == "Pipe":
        yield "Pipe input mode"
    for channel in request.get("InputDataConfig", []):
        yield from _unsupported_in_channel(channel)


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
