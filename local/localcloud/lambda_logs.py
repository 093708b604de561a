"""Where a function's output goes: its CloudWatch log stream and a file."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.logs.models import logs_backends

from localcloud.timestamps import iso_milliseconds, now

_TAIL_BYTES = 4096
_lock = threading.Lock()


@dataclass(frozen=True)
class Report:
    """What Lambda itself says at the end of an invocation; milliseconds and megabytes."""

    request_id: str
    duration: float
    memory_size: int
    init_duration: float | None


class LambdaLog:
    """The log stream of one sandbox."""

    def __init__(
        self, account_id: str, region: str, group: str, file: Path, *, is_json: bool
    ) -> None:
        """Open a new stream in ``group``; platform lines are JSON when the function's logs are."""
        moment = now()
        self.group = group
        self.stream = f"{moment:%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        self._is_json = is_json
        self._tail: deque[str] = deque(maxlen=200)
        self._backend: Any = logs_backends[account_id][region]
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("a", encoding="utf-8", buffering=1)
        with _lock:
            self._backend.ensure_log_group(group)
            self._backend.create_log_stream(group, self.stream)

    def write(self, line: str) -> None:
        """Add one line."""
        self._tail.append(line)
        event = {"timestamp": int(time.time() * 1000), "message": line}
        with _lock:
            self._backend.put_log_events(self.group, self.stream, [event])
        self._file.write(line + "\n")

    def start(self, request_id: str) -> None:
        """Say that an invocation begins."""
        self._tail.clear()
        if self._is_json:
            self._platform("start", {"requestId": request_id, "version": "$LATEST"})
        else:
            self.write(f"START RequestId: {request_id} Version: $LATEST")

    def report(self, report: Report) -> None:
        """Say that an invocation ended."""
        if self._is_json:
            metrics = {
                "durationMs": round(report.duration, 3),
                "memorySizeMB": report.memory_size,
            }
            if report.init_duration is not None:
                metrics["initDurationMs"] = round(report.init_duration, 3)
            self._platform("report", {"requestId": report.request_id, "metrics": metrics})
            return
        self.write(f"END RequestId: {report.request_id}")
        init = (
            f"\tInit Duration: {report.init_duration:.2f} ms"
            if report.init_duration is not None
            else ""
        )
        self.write(
            f"REPORT RequestId: {report.request_id}\tDuration: {report.duration:.2f} ms"
            f"\tMemory Size: {report.memory_size} MB{init}"
        )

    def tail(self) -> str:
        """Return the last 4 KB of the current invocation's lines."""
        return "\n".join(self._tail)[-_TAIL_BYTES:]

    def close(self) -> None:
        """Close the file; the stream stays readable."""
        self._file.close()

    def _platform(self, kind: str, record: dict[str, Any]) -> None:
        line = {"time": iso_milliseconds(now()), "type": f"platform.{kind}", "record": record}
        self.write(json.dumps(line))
