"""The state of one training job, as DescribeTrainingJob shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from localcloud.sagemaker_api import Document, Parameters, timestamp, without_nothing
from localcloud.sagemaker_jobs import Job
from localcloud.sagemaker_validation import kept_members

_DEFAULT_MAX_RUNTIME_SECONDS = 86_400


class TrainingJob(Job):
    """One training job."""

    kind = "Training"

    def __init__(self, request: Parameters, arn: str, on_change: Callable[[Job], None]) -> None:
        """``on_change`` is called after every status change."""
        super().__init__(request, arn, on_change)
        self._secondary = "Starting"
        self._transitions: list[Document] = []
        self._metrics: dict[str, Document] = {}

    @property
    def artifact_uri(self) -> str:
        """Where model.tar.gz goes."""
        return f"{self.output_uri}/model.tar.gz"

    @property
    def output_uri(self) -> str:
        """The prefix of what the job leaves behind."""
        root = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{root}/{self.name}/output"

    @property
    def instance_count(self) -> int:
        """How many machines the job has."""
        return int(self.request.get("ResourceConfig", {}).get("InstanceCount", 1))

    @property
    def max_runtime_seconds(self) -> int:
        """After how long the container is told to stop."""
        stopping = self.request.get("StoppingCondition", {})
        return int(stopping.get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME_SECONDS))

    def enter(self, secondary_status: str, message: str) -> None:
        """Go to the next phase."""
        with self._lock:
            if secondary_status == "Downloading":
                self._started = timestamp()
            self._move(secondary_status, message)
        self._on_change(self)

    def complete(self) -> None:
        """The container did its work and everything is uploaded."""
        self._end("Completed", "Completed", "Training job completed")

    def fail(self, reason: str) -> None:
        """The job is lost; ``reason`` becomes FailureReason."""
        self._end("Failed", "Failed", "Training job failed", reason)

    def end_stopped(self) -> None:
        """The job ended because StopTrainingJob asked for it."""
        self._end("Stopped", "Stopped", "Training job stopped")

    def end_timed_out(self) -> None:
        """The job ended because MaxRuntimeInSeconds were over."""
        self._end(
            "Stopped",
            "MaxRuntimeExceeded",
            "Training job runtime exceeded MaxRuntimeInSeconds provided",
        )

    def observe(self, line: str) -> None:
        """Take the metrics out of a line the container printed; the last value counts."""
        for metric in self.request["AlgorithmSpecification"].get("MetricDefinitions", []):
            found = re.search(metric["Regex"], line)
            if found is None or not found.groups():
                continue
            try:
                value = float(found.group(1))
            except (TypeError, ValueError):
                continue
            point = {"MetricName": metric["Name"], "Value": value, "Timestamp": timestamp()}
            with self._lock:
                self._metrics[metric["Name"]] = point

    def describe(self) -> Document:
        """Return the answer of DescribeTrainingJob."""
        with self._lock:
            seconds = self._seconds()
            return without_nothing(
                {
                    "EnableNetworkIsolation": False,
                    "EnableInterContainerTrafficEncryption": False,
                    "EnableManagedSpotTraining": False,
                    **kept_members("DescribeTrainingJob", self.request),
                    "TrainingJobArn": self.arn,
                    "TrainingJobStatus": self.status,
                    "SecondaryStatus": self._secondary,
                    "FailureReason": self._failure,
                    "ModelArtifacts": {"S3ModelArtifacts": self.artifact_uri},
                    "CreationTime": self.creation_time,
                    "TrainingStartTime": self._started,
                    "TrainingEndTime": self._ended,
                    "LastModifiedTime": self.last_modified_time,
                    "SecondaryStatusTransitions": [dict(step) for step in self._transitions],
                    "FinalMetricDataList": list(self._metrics.values()) or None,
                    "TrainingTimeInSeconds": seconds,
                    "BillableTimeInSeconds": seconds,
                    "ProfilingStatus": "Disabled",
                    "WarmPoolStatus": self._warm_pool(),
                }
            )

    def summary(self) -> Document:
        """Return the job's entry in ListTrainingJobs."""
        with self._lock:
            return without_nothing(
                {
                    "TrainingJobName": self.name,
                    "TrainingJobArn": self.arn,
                    "CreationTime": self.creation_time,
                    "TrainingEndTime": self._ended,
                    "LastModifiedTime": self.last_modified_time,
                    "TrainingJobStatus": self.status,
                    "SecondaryStatus": self._secondary,
                }
            )

    def _note_stopping(self) -> None:
        self._move("Stopping", "Stopping the training job")

    def _end(
        self, status: str, secondary_status: str, message: str, failure: str | None = None
    ) -> None:
        with self._lock:
            self._move(secondary_status, message)
            self._note_end(status, failure)
            self._transitions[-1]["EndTime"] = self._ended
        self._on_change(self)

    def _move(self, secondary_status: str, message: str) -> None:
        now = self.last_modified_time = timestamp()
        if self._transitions:
            self._transitions[-1]["EndTime"] = now
        self._secondary = secondary_status
        self._transitions.append(
            {"Status": secondary_status, "StartTime": now, "StatusMessage": message}
        )

    def _warm_pool(self) -> Document | None:
        """There is nothing to keep warm here: as on AWS without a quota for warm pools."""
        if not self.request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds"):
            return None
        if self._ended is None:
            return {"Status": "InUse"}
        return {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}

    def _seconds(self) -> int | None:
        if self._started is None or self._ended is None:
            return None
        return max(1, math.ceil((self._ended - self._started).total_seconds()))
