"""Repair: conditions in S3 bucket policies.

moto applies a statement whatever its Condition says, so the usual "deny unencrypted transport"
denies everything. AWS evaluates it. The local cloud stands for HTTPS endpoints: its requests count
as encrypted. Statements with other conditions are not applied, as nothing here enforces IAM.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

from localcloud.context import CloudContext
from localcloud.untyped import Json, Moto

_SECURE_TRANSPORT = "aws:SecureTransport"


def install(context: CloudContext) -> None:
    """Evaluate bucket policies with that condition."""
    del context
    FakeBucket.get_permission = _get_permission


def applies(statement: Mapping[str, Json]) -> bool:
    """Tell whether a statement applies to an encrypted request that meets nothing else."""
    condition = statement.get("Condition")
    if not condition:
        return True
    if set(condition) != {"Bool"} or set(condition["Bool"]) != {_SECURE_TRANSPORT}:
        return False
    return str(condition["Bool"][_SECURE_TRANSPORT]).lower() == "true"


def _get_permission(self: Moto, action: str, resource: str) -> Moto:
    if self.policy is None:
        return PermissionResult.NEUTRAL
    policy: dict[str, Any] = json.loads(self.policy.decode())
    statements = policy["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    kept = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in statements
        if applies(statement)
    ]
    document = json.dumps({**policy, "Statement": kept})
    return IAMPolicy(document).is_action_permitted(action, resource)
