"""The time in which new servers are watched before the old ones go.

AWS reads the alarms of AutoRollbackConfiguration while a blue/green update bakes, for
WaitIntervalInSeconds after each shift of traffic, and goes back when one is raised. Here all
traffic moves in one step; CANARY and LINEAR only watch for two intervals instead of one. No alarm
is raised by itself: moto keeps their state, and SetAlarmState changes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from localcloud.clients import Clients
from localcloud.sagemaker_server import Server

_LOOK_EVERY_SECONDS = 0.2
_IN_STEPS = frozenset({"CANARY", "LINEAR"})


def bake(
    clients: Clients,
    server: Server,
    deployment_config: Mapping[str, Any] | None,
    closed: threading.Event,
) -> str | None:
    """Watch a new server; return why it has to go, None when it may stay."""
    config = deployment_config or {}
    deadline = time.monotonic() + _seconds(config)
    alarms = [
        each["AlarmName"] for each in config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    ]
    while True:
        raised = _raised(clients, alarms)
        if raised:
            return (
                f"The deployment was rolled back because of alarms in ALARM state: "
                f"{', '.join(raised)}."
            )
        if not server.is_alive():
            return "The new instances ended and did not pass the ping health check any more."
        if time.monotonic() >= deadline or closed.wait(_LOOK_EVERY_SECONDS):
            return None


def _seconds(config: Mapping[str, Any]) -> float:
    policy = config.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    intervals = 2 if routing.get("Type") in _IN_STEPS else 1
    return float(routing.get("WaitIntervalInSeconds", 0) * intervals)


def _raised(clients: Clients, alarms: list[str]) -> list[str]:
    if not alarms:
        return []
    found = clients.get("cloudwatch").describe_alarms(AlarmNames=alarms)["MetricAlarms"]
    return [each["AlarmName"] for each in found if each["StateValue"] == "ALARM"]
