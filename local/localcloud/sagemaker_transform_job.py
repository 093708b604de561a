"""The state of one transform job, as DescribeTransformJob shows it."""

from __future__ import annotations

from localcloud.sagemaker_api import Document, without_nothing
from localcloud.sagemaker_jobs import Job
from localcloud.sagemaker_validation import kept_members

_DEFAULT_TIMEOUT_SECONDS = 600
_DEFAULT_RETRIES = 3


class TransformJob(Job):
    """One transform job."""

    kind = "Transform"

    @property
    def timeout_seconds(self) -> float:
        """How long one answer of the container is waited for."""
        return float(self._client("InvocationsTimeoutInSeconds", _DEFAULT_TIMEOUT_SECONDS))

    @property
    def retries(self) -> int:
        """How often a request that failed is sent again."""
        return self._client("InvocationsMaxRetries", _DEFAULT_RETRIES)

    def end(self, status: str, failure: str | None = None) -> None:
        """Set the last status: Completed, Failed or Stopped."""
        with self._lock:
            self._note_end(status, failure)
        self._on_change(self)

    def fail(self, reason: str) -> None:
        """The job is lost; ``reason`` becomes FailureReason."""
        self.end("Failed", reason)

    def describe(self) -> Document:
        """Return the answer of DescribeTransformJob."""
        with self._lock:
            return without_nothing(
                {
                    **kept_members("DescribeTransformJob", self.request),
                    "TransformJobArn": self.arn,
                    "TransformJobStatus": self.status,
                    "FailureReason": self._failure,
                    "CreationTime": self.creation_time,
                    "TransformStartTime": self._started,
                    "TransformEndTime": self._ended,
                }
            )

    def summary(self) -> Document:
        """Return the job's entry in ListTransformJobs."""
        with self._lock:
            return without_nothing(
                {
                    "TransformJobName": self.name,
                    "TransformJobArn": self.arn,
                    "CreationTime": self.creation_time,
                    "TransformEndTime": self._ended,
                    "LastModifiedTime": self.last_modified_time,
                    "TransformJobStatus": self.status,
                    "FailureReason": self._failure,
                }
            )

    def _client(self, member: str, default: int) -> int:
        return int(self.request.get("ModelClientConfig", {}).get(member, default))
