"""The state of one processing job, as DescribeProcessingJob shows it."""

from __future__ import annotations

from collections.abc import Callable

from localcloud.sagemaker_api import Document, Parameters, without_nothing
from localcloud.sagemaker_jobs import Job
from localcloud.sagemaker_validation import kept_members

_DEFAULT_MAX_RUNTIME_SECONDS = 86_400


class ProcessingJob(Job):
    """One processing job."""

    kind = "Processing"

    def __init__(self, request: Parameters, arn: str, on_change: Callable[[Job], None]) -> None:
        """``on_change`` is called after every status change."""
        super().__init__(request, arn, on_change)
        self._exit_message: str | None = None

    @property
    def max_runtime_seconds(self) -> int:
        """After how long the container is told to stop."""
        stopping = self.request.get("StoppingCondition", {})
        return int(stopping.get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME_SECONDS))

    @property
    def isolated(self) -> bool:
        """Whether the container may not use the network."""
        network = self.request.get("NetworkConfig", {})
        return bool(network.get("EnableNetworkIsolation", False))

    def end(self, status: str, *, exit_message: str | None, failure: str | None = None) -> None:
        """Set the last status: Completed, Failed or Stopped."""
        with self._lock:
            self._exit_message = exit_message
            self._note_end(status, failure)
        self._on_change(self)

    def fail(self, reason: str) -> None:
        """The job is lost; ``reason`` becomes FailureReason."""
        self.end("Failed", exit_message=None, failure=reason)

    def describe(self) -> Document:
        """Return the answer of DescribeProcessingJob."""
        with self._lock:
            return without_nothing(
                {
                    **kept_members("DescribeProcessingJob", self.request),
                    "ProcessingJobArn": self.arn,
                    "ProcessingJobStatus": self.status,
                    "ExitMessage": self._exit_message,
                    "FailureReason": self._failure,
                    "CreationTime": self.creation_time,
                    "ProcessingStartTime": self._started,
                    "ProcessingEndTime": self._ended,
                    "LastModifiedTime": self.last_modified_time,
                }
            )

    def summary(self) -> Document:
        """Return the job's entry in ListProcessingJobs."""
        with self._lock:
            return without_nothing(
                {
                    "ProcessingJobName": self.name,
                    "ProcessingJobArn": self.arn,
                    "CreationTime": self.creation_time,
                    "ProcessingEndTime": self._ended,
                    "LastModifiedTime": self.last_modified_time,
                    "ProcessingJobStatus": self.status,
                    "FailureReason": self._failure,
                    "ExitMessage": self._exit_message,
                }
            )
