"""State-change events that SageMaker puts on EventBridge.

moto emits none. AWS puts one on the default bus for every status of training, processing
and transform jobs and endpoints, and for every creation and approval change of a model package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localcloud.context import CloudContext
from localcloud.eventbridge_bus import EventBus
from localcloud.timestamps import epoch_milliseconds


class StateChanges:
    """Announces what happens to SageMaker's resources."""

    def __init__(self, context: CloudContext) -> None:
        """Announce on the default event bus of ``context``."""
        self._bus = EventBus.of(context)

    def announce(self, kind: str, resource_arn: str, detail: Mapping[str, Any]) -> None:
        """Emit one event, e.g. of kind ``Training Job State Change``.

        Dates in ``detail`` become milliseconds since the epoch; None values are left out.
        """
        known = {name: value for name, value in detail.items() if value is not None}
        self._bus.emit(
            source="aws.sagemaker",
            detail_type=f"SageMaker {kind}",
            detail=json.loads(json.dumps(known, default=_to_json)),
            resources=[resource_arn],
        )


def tags_of(tags: list[dict[str, str]]) -> dict[str, str]:
    """Return a resource's tags as the events have them."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def _to_json(value: object) -> int | str:
    return epoch_milliseconds(value) if isinstance(value, datetime) else str(value)
