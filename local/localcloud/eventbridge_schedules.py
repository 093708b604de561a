"""Repair: EventBridge rules with a ScheduleExpression.

moto stores the expression and never acts on it. AWS sends a ``Scheduled Event`` to the rule's
targets at every interval, the first one an interval after the rule was made or enabled.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from typing import Any

from moto.events.models import events_backends

from localcloud.context import CloudContext
from localcloud.timestamps import iso_seconds, now
from localcloud.untyped import Moto

_LOG = logging.getLogger(__name__)
_RATE = re.compile(r"^rate\((\d+) (minute|hour|day)s?\)$")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_LOOK_EVERY_SECONDS = 1.0


class UnsupportedScheduleError(ValueError):
    """A schedule that the local cloud cannot tick."""


def interval_seconds(expression: str) -> int:
    """Return the interval of ``rate(<n> minutes|hours|days)`` in seconds.

    Raises UnsupportedScheduleError for anything else, ``cron(...)`` included.
    """
    match = _RATE.match(expression.strip())
    if match is None or int(match.group(1)) == 0:
        raise UnsupportedScheduleError(
            f"The local cloud ticks rate(...) schedules only, not `{expression}`."
        )
    return int(match.group(1)) * _SECONDS[match.group(2)]


def install(context: CloudContext) -> None:
    """Start the clock."""
    clock = ScheduleClock(context.account_id, context.region)
    threading.Thread(target=clock.run, name="schedules", daemon=True).start()


class ScheduleClock:
    """Fires the scheduled rules of one account and region."""

    def __init__(self, account_id: str, region: str) -> None:
        """Know no rule yet."""
        self._account_id = account_id
        self._region = region
        self._due: dict[tuple[str, str], float] = {}

    def run(self) -> None:
        """Tick until the process ends."""
        while True:
            time.sleep(_LOOK_EVERY_SECONDS)
            try:
                self.tick(time.monotonic())
            except Exception:
                _LOG.exception("a schedule could not be ticked")

    def tick(self, moment: float) -> None:
        """Fire what is due at ``moment`` (seconds of any steady clock)."""
        backend = events_backends[self._account_id][self._region]
        rules = list(backend.event_buses["default"].rules.values())
        active = {
            (rule.arn, rule.scheduled_expression): rule
            for rule in rules
            if rule.scheduled_expression and rule.state == "ENABLED"
        }
        self._due = {key: due for key, due in self._due.items() if key in active}
        for key, rule in active.items():
            interval = interval_seconds(key[1])
            due = self._due.setdefault(key, moment + interval)
            if moment >= due:
                self._due[key] = due + interval
                rule.send_scheduled(self._event(rule))

    def _event(self, rule: Moto) -> dict[str, Any]:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self._account_id,
            "time": iso_seconds(now()),
            "region": self._region,
            "resources": [rule.arn],
            "detail": {},
        }
