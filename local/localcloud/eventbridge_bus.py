"""The default event bus, for the parts of the cloud that announce things on it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.events.models import events_backends

from localcloud.context import CloudContext
from localcloud.timestamps import iso_seconds, now


@dataclass(frozen=True)
class EventBus:
    """Emits events as AWS services do; PutEvents refuses sources that begin with ``aws.``."""

    account_id: str
    region: str

    @classmethod
    def of(cls, context: CloudContext) -> EventBus:
        """Return the default bus of a running cloud."""
        return cls(context.account_id, context.region)

    def emit(
        self,
        *,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str] = (),
    ) -> None:
        """Offer an event to every rule of the bus; delivery happens in the background."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self.account_id,
            "time": iso_seconds(now()),
            "region": self.region,
            "resources": list(resources),
            "detail": dict(detail),
        }
        backend = events_backends[self.account_id][self.region]
        for rule in list(backend.event_buses["default"].rules.values()):
            rule.send_to_targets(event)
