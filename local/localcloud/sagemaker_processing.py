"""Processing jobs: the API.

moto answers CreateProcessingJob with a job that is Completed at once, forgets its Environment and
resources, and stops jobs by name only. Here a job runs its entry point; the work itself is in
``sagemaker_processing_run``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.sagemaker_api import Document, Operation, Parameters
from localcloud.sagemaker_errors import RequestInvalidError, ResourceInUseError
from localcloud.sagemaker_events import StateChanges, tags_of
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_names import ArnMaker
from localcloud.sagemaker_processing_job import ProcessingJob
from localcloud.sagemaker_processing_run import ProcessingRun
from localcloud.sagemaker_training_run import STOP_GRACE_SECONDS
from localcloud.sagemaker_transfer import Transfer


class ProcessingJobs:
    """All processing jobs of this cloud."""

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
        self._jobs: dict[str, ProcessingJob] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            "CreateProcessingJob": self.create,
            "DescribeProcessingJob": self.describe,
            "ListProcessingJobs": self.list_jobs,
            "StopProcessingJob": self.stop,
        }

    def resources(self) -> Iterator[ProcessingJob]:
        """Return everything that can be tagged."""
        return iter(list(self._jobs.values()))

    def create(self, request: Parameters) -> Document:
        """Start a job.

        Raises ResourceInUseError for a name already used, RequestInvalidError for what cannot be
        run here.
        """
        for reason in _unsupported(request):
            raise RequestInvalidError(f"The local cloud does not support {reason}.")
        name = request["ProcessingJobName"]
        with self._lock:
            if name in self._jobs:
                raise ResourceInUseError(
                    "Job name must be unique within an AWS account and region, and a job with "
                    f"this name already exists ({self._jobs[name].arn})"
                )
            job = ProcessingJob(request, self._arns.make("processing-job", name), self._announce)
            self._jobs[name] = job
        self._announce(job)
        run = ProcessingRun(
            self._context, self._clients, self._transfer, job, self._stop_grace_seconds
        )
        threading.Thread(target=run.execute, name=f"processing {name}", daemon=True).start()
        return {"ProcessingJobArn": job.arn}

    def describe(self, request: Parameters) -> Document:
        """Return a job's state; raises RequestInvalidError when there is none."""
        return self._job(request).describe()

    def list_jobs(self, request: Parameters) -> Document:
        """Return a page of job summaries."""
        page, token = list_page(self._jobs.values(), request)
        return {"ProcessingJobSummaries": [job.summary() for job in page], "NextToken": token}

    def stop(self, request: Parameters) -> None:
        """Ask a running job to stop; raises RequestInvalidError when it is not running."""
        job = self._job(request)
        if not job.request_stop():
            raise RequestInvalidError(
                f"The request was rejected because the processing job is in status {job.status}."
            )

    def _job(self, request: Parameters) -> ProcessingJob:
        name = request["ProcessingJobName"]
        job = self._jobs.get(name)
        if job is None:
            raise RequestInvalidError(f"Could not find requested job with name: {name}")
        return job

    def _announce(self, job: ProcessingJob) -> None:
        tags = tags_of(job.tags)
        self._events.announce(
            "Processing Job State Change", job.arn, {**job.describe(), "Tags": tags}
        )


def _unsupported(request: Parameters) -> Iterator[str]:
    if request["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1) != 1:
        yield "processing on more than one instance"
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        yield "processing without AppSpecification.ContainerEntrypoint"
    for data in request.get("ProcessingInputs", []):
        yield from _unsupported_input(data)
    for output in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if "S3Output" not in output or "LocalPath" not in output["S3Output"]:
            yield f"an output without S3Output and LocalPath ({output['OutputName']})"


def _unsupported_input(data: Mapping[str, Any]) -> Iterator[str]:
    where = f"({data['InputName']})"
    source = data.get("S3Input")
    if source is None or "LocalPath" not in source:
        yield f"an input without S3Input and LocalPath {where}"
        return
    if source.get("S3InputMode", "File") != "File":
        yield f"Pipe input mode {where}"
    if source.get("S3CompressionType", "None") != "None":
        yield f"compressed input {where}"
