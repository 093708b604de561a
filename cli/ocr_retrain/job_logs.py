"""Following the log of a SageMaker job in CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.history import WorkKind
from ocr_retrain.job_progress import JobProgress, read_progress

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

LOG_GROUPS = {
    WorkKind.TRAINING: "/aws/sagemaker/TrainingJobs",
    WorkKind.EVALUATION: "/aws/sagemaker/ProcessingJobs",
}
# Progress is a courtesy: no log yet, no permission or too many calls must not end a watch.
_HARMLESS = ("ResourceNotFoundException", "AccessDeniedException", "ThrottlingException")


class JobLog:
    """The log of one job, read from where the last reading ended."""

    def __init__(self, logs: CloudWatchLogsClient, kind: WorkKind, job: str) -> None:
        """Prepare to read; nothing is asked before ``progress``."""
        self._logs = logs
        self._group = LOG_GROUPS[kind]
        self._job = job
        self._stream = ""
        self._token = ""
        self._progress = JobProgress()

    def progress(self) -> JobProgress:
        """Return how far the job is, after reading what is new in its log."""
        try:
            lines = self._new_lines()
        except ClientError as error:
            if error.response["Error"].get("Code") not in _HARMLESS:
                raise
            lines = []
        self._progress = read_progress(lines, self._progress)
        return self._progress

    def _new_lines(self) -> list[str]:
        if not self._stream:
            self._stream = self._find_stream()
        if not self._stream:
            return []
        lines: list[str] = []
        while True:
            token = {"nextToken": self._token} if self._token else {}
            page = self._logs.get_log_events(
                logGroupName=self._group,
                logStreamName=self._stream,
                startFromHead=True,
                **token,  # type: ignore[arg-type]
            )
            lines += [event.get("message", "") for event in page["events"]]
            if not page["events"] or page["nextForwardToken"] == self._token:
                return lines
            self._token = page["nextForwardToken"]

    def _find_stream(self) -> str:
        # With several hosts the first one tells the progress.
        streams = self._logs.describe_log_streams(
            logGroupName=self._group, logStreamNamePrefix=f"{self._job}/", limit=10
        )["logStreams"]
        return min((stream.get("logStreamName", "") for stream in streams), default="")
