"""Time as the functions see it: it passes when the world says so."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

_OWN = ("retraining", "start_retraining")
BEGIN = datetime(2026, 11, 22, 10, 15, 45, tzinfo=UTC)


class Clock:
    """Tells the time; each look takes a millisecond, so that no two moments are one."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        self.seconds += 0.001
        return BEGIN + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


CLOCK = Clock()


def rule_time(clock: Clock) -> None:
    """Let the functions, and the SDK between its attempts, go by this clock; for good."""

    class VirtualTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return clock.now().astimezone(tz)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in _OWN and vars(module).get("datetime") is datetime:
            module.datetime = VirtualTime  # type: ignore[attr-defined]
    vars(time)["sleep"] = clock.sleep
