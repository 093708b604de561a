"""Stopping on request: SageMaker sends SIGTERM two minutes before it takes a machine away."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from types import FrameType


class TrainingInterruptedError(Exception):
    """SIGTERM came; what there is to save was saved."""


@dataclass
class StopRequest:
    """Whether training should stop at the next step, and why."""

    deadline: float | None = None
    terminated: bool = field(default=False, init=False)

    def allow(self, minutes: float | None) -> None:
        """Let the time run out after so many minutes from now; never for None."""
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def listen(self) -> None:
        """Note SIGTERM from now on. Call after `import paddle`, which installs its own handler."""
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.terminated = True

    def out_of_time(self) -> bool:
        """Whether the time budget is spent."""
        return self.deadline is not None and time.monotonic() >= self.deadline
