"""What containers print, streamed into CloudWatch Logs.

moto writes no logs for SageMaker. On AWS every line of a container's stdout and stderr becomes an
event in ``/aws/sagemaker/TrainingJobs``, ``/aws/sagemaker/ProcessingJobs``,
``/aws/sagemaker/TransformJobs`` or ``/aws/sagemaker/Endpoints/<name>`` within seconds; here within
half a second.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients

_log = logging.getLogger(__name__)
_INTERVAL_SECONDS = 0.2
_CHUNK_BYTES = 256 * 1024
_MAX_EVENTS = 1_000
_MAX_EVENT_CHARACTERS = 60_000


class LogStream:
    """Follows a growing file and sends its lines to one CloudWatch log stream."""

    def __init__(
        self,
        clients: Clients,
        file: Path,
        group: str,
        stream: str,
        on_line: Callable[[str], None] = lambda _: None,
        *,
        offset: int = 0,
    ) -> None:
        """Follow ``file`` from byte ``offset``; each complete line also goes to ``on_line``."""
        self.group = group
        self.stream = stream
        self._file = file
        self._on_line = on_line
        self._logs = clients.get("logs")
        self._offset = offset
        self._unfinished = b""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log {stream}", daemon=True)

    def start(self) -> None:
        """Create the log group and stream and begin to follow the file."""
        self._thread.start()

    def finish(self) -> None:
        """Send what is left, a line without line end included, and stop following."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._create()
            while not self._ended.wait(_INTERVAL_SECONDS):
                self._send_new_lines()
            self._send_new_lines()
            if self._unfinished:
                self._send([self._unfinished])
        except (BotoCoreError, ClientError, OSError):
            # The cloud is going down, or the job's directory went away: the file still has all.
            _log.warning("The log stream %s is incomplete.", self.stream, exc_info=True)

    def _create(self) -> None:
        exists = self._logs.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._logs.create_log_group(logGroupName=self.group)
        with contextlib.suppress(exists):
            self._logs.create_log_stream(logGroupName=self.group, logStreamName=self.stream)

    def _send_new_lines(self) -> None:
        for chunk in self._chunks():
            *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
            for start in range(0, len(lines), _MAX_EVENTS):
                self._send(lines[start : start + _MAX_EVENTS])

    def _chunks(self) -> Iterator[bytes]:
        with self._file.open("rb") as content:
            content.seek(self._offset)
            while chunk := content.read(_CHUNK_BYTES):
                self._offset += len(chunk)
                yield chunk

    def _send(self, lines: list[bytes]) -> None:
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        for text in texts:
            self._on_line(text)
        now = round(time.time() * 1000)
        self._logs.put_log_events(
            logGroupName=self.group,
            logStreamName=self.stream,
            # CloudWatch refuses empty messages.
            logEvents=[
                {"timestamp": now, "message": text[:_MAX_EVENT_CHARACTERS] or " "} for text in texts
            ],
        )
