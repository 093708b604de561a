"""Transform jobs: the API.

moto answers CreateTransformJob with a job that is InProgress for ever and reads nothing. Here a job
starts the model's ``serve`` and sends it every object; the work itself is in
``sagemaker_transform_run``.
"""

from __future__ import annotations

from collections.abc import Iterator

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.sagemaker_api import Parameters
from localcloud.sagemaker_errors import RequestInvalidError
from localcloud.sagemaker_events import StateChanges
from localcloud.sagemaker_jobs import Jobs
from localcloud.sagemaker_models import Models
from localcloud.sagemaker_transform_job import TransformJob
from localcloud.sagemaker_transform_run import MAX_PAYLOAD_MEGABYTES, TransformRun


class TransformJobs(Jobs[TransformJob]):
    """All transform jobs of this cloud."""

    kind = TransformJob.kind
    listed_newest_first = True

    def __init__(
        self, context: CloudContext, clients: Clients, events: StateChanges, models: Models
    ) -> None:
        """Start empty; jobs read with ``models``."""
        super().__init__(context, clients, events)
        self._models = models

    def unsupported(self, request: Parameters) -> Iterator[str]:
        """Name what a request wants that cannot be done here."""
        data = request["TransformInput"]
        if data.get("SplitType", "None") != "None":
            yield f"SplitType {data['SplitType']}"
        if data.get("CompressionType", "None") != "None":
            yield "compressed input"
        if data["DataSource"]["S3DataSource"]["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            yield "other data types than S3Prefix and ManifestFile"
        if request["TransformResources"].get("InstanceCount", 1) != 1:
            yield "transforming on more than one instance"
        if "DataCaptureConfig" in request:
            yield "data capture"
        if request.get("DataProcessing"):
            yield "joining and filtering input and output"

    def check(self, request: Parameters) -> None:
        """Raise RequestInvalidError for what AWS refuses before it takes a job."""
        self._models.find(request["ModelName"])
        payload = request.get("MaxPayloadInMB", 0)
        at_once = request.get("MaxConcurrentTransforms", 0)
        if payload > MAX_PAYLOAD_MEGABYTES or payload * at_once > MAX_PAYLOAD_MEGABYTES:
            raise RequestInvalidError(
                "MaxPayloadInMB, and its product with MaxConcurrentTransforms, cannot exceed "
                f"{MAX_PAYLOAD_MEGABYTES} MB."
            )

    def new_job(self, request: Parameters, arn: str) -> TransformJob:
        """Make the job of a request."""
        return TransformJob(request, arn, self.announce)

    def work(self, job: TransformJob) -> None:
        """Transform, to the job's last status."""
        container = self._models.served_container(job.request["ModelName"])
        TransformRun(self._context, self._clients, self._transfer, job, container).execute()
