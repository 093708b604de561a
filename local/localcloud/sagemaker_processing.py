"""Processing jobs: the API.

moto answers CreateProcessingJob with a job that is Completed at once, forgets its Environment and
resources, and stops jobs by name only. Here a job runs its entry point; the work itself is in
``sagemaker_processing_run``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.sagemaker_api import Parameters
from localcloud.sagemaker_jobs import Jobs
from localcloud.sagemaker_processing_job import ProcessingJob
from localcloud.sagemaker_processing_run import ProcessingRun


class ProcessingJobs(Jobs[ProcessingJob]):
    """All processing jobs of this cloud."""

    kind = ProcessingJob.kind

    def unsupported(self, request: Parameters) -> Iterator[str]:
        """Name what a request wants that cannot be done here."""
        return _unsupported(request)

    def new_job(self, request: Parameters, arn: str) -> ProcessingJob:
        """Make the job of a request."""
        return ProcessingJob(request, arn, self.announce)

    def work(self, job: ProcessingJob) -> None:
        """Process, to the job's last status."""
        ProcessingRun(
            self._context, self._clients, self._transfer, job, self._stop_grace_seconds
        ).execute()


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
