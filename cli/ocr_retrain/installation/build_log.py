"""Following the log of an image build in CloudWatch Logs."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.installation.account import error_code

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

# Docker's plain progress: "#12 [packages-gpu 2/3] RUN pip install ...".
_STEP = re.compile(r"^#\d+ (\[.+)$")
_PHASE = re.compile(r"^\[Container\] \S+ \S+ (Entering phase \w+)")
# A log that is not there yet, or too many calls, must not end a build that goes on.
_HARMLESS = ("ResourceNotFoundException", "AccessDeniedException", "ThrottlingException")
_TAIL_LINES = 30


class BuildLog:
    """The log of one build, read from where the last reading ended."""

    def __init__(self, logs: CloudWatchLogsClient, group: str) -> None:
        """Prepare to read; nothing is asked before ``new_lines``."""
        self._logs = logs
        self._group = group
        self._token = ""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def tail(self) -> list[str]:
        """The last lines that were read."""
        return list(self._tail)

    def new_lines(self, stream: str) -> list[str]:
        """Return the lines that came since the last call; ``stream`` is empty before it begins."""
        if not stream:
            return []
        lines: list[str] = []
        try:
            while True:
                token = {"nextToken": self._token} if self._token else {}
                page = self._logs.get_log_events(
                    logGroupName=self._group,
                    logStreamName=stream,
                    startFromHead=True,
                    **token,  # type: ignore[arg-type]
                )
                lines += [event.get("message", "").rstrip() for event in page["events"]]
                if not page["events"] or page["nextForwardToken"] == self._token:
                    break
                self._token = page["nextForwardToken"]
        except ClientError as error:
            if error_code(error) not in _HARMLESS:
                raise
        self._tail.extend(lines)
        return lines


def step_of(line: str) -> str | None:
    """Return what a line says about where the build is, None for output of a step."""
    found = _STEP.match(line) or _PHASE.match(line)
    return found.group(1) if found else None
