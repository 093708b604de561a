"""The state of one processing job, as DescribeProcessingJob shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from localcloud.sagemaker_api import Document, Parameters, timestamp, without_nothing
from localcloud.sagemaker_validation import kept_members

_DEFAULT_MAX_RUNTIME_SECONDS = 86_400


class ProcessingJob:
    """One job; safe to use from the job's thread and from requests at the same time."""

    def __init__(
        self, request: Parameters, arn: str, on_change: Callable[[ProcessingJob], None]
    ) -> None:
        """``on_change`` is called after every status change."""
        self.request = request
        self.name: str = request["ProcessingJobName"]
        self.arn = arn
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.creation_time = self.last_modified_time = timestamp()
        self.status = "InProgress"
        self.stop = threading.Event()
        self._failure: str | None = None
        self._exit_message: str | None = None
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._on_change = on_change
        self._lock = threading.RLock()

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

    def note_start(self) -> None:
        """The container is about to run."""
        with self._lock:
            self._started = self.last_modified_time = timestamp()

    def end(self, status: str, *, exit_message: str | None, failure: str | None = None) -> None:
        """Set the last status: Completed, Failed or Stopped."""
        with self._lock:
            self.status = status
            self._exit_message = exit_message
            self._failure = None if failure is None else failure[:1024]
            self._ended = self.last_modified_time = timestamp()
        self._on_change(self)

    def request_stop(self) -> bool:
        """Ask for the end; False when the job has ended or is stopping already."""
        with self._lock:
            if self.status != "InProgress":
                return False
            self.status = "Stopping"
            self.last_modified_time = timestamp()
        self.stop.set()
        self._on_change(self)
        return True

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
