"""What an EventBridge rule hands to its target: the event, a part of it, or a template of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from localcloud.untyped import Json

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_STEP = re.compile(r"\.([A-Za-z0-9_\-]+)|\[(\d+)\]|\['([^']+)'\]")


class UnsupportedPathError(ValueError):
    """An InputPath that is neither ``$`` nor a chain of fields and indexes."""


def target_input(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Return the JSON text that ``target`` (a PutTargets entry) receives for ``event``."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(_resolve(str(target["InputPath"]), event))
    if "InputTransformer" in target:
        return _transform(target["InputTransformer"], event)
    return json.dumps(event)


def _transform(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    values = {
        name: _resolve(path, event)
        for name, path in (transformer.get("InputPathsMap") or {}).items()
    }
    values["aws.events.event.json"] = event
    values["aws.events.event"] = event
    template = str(transformer["InputTemplate"])
    filled, position = [], 0
    for match in _PLACEHOLDER.finditer(template):
        if match.group(1) not in values:
            continue
        before = template[position : match.start()]
        filled.append(before)
        is_quoted = _quotes("".join(filled)) % 2 == 1
        filled.append(_insert(values[match.group(1)], is_quoted))
        position = match.end()
    filled.append(template[position:])
    return "".join(filled)


def _insert(value: Json, is_quoted: bool) -> str:
    if not is_quoted:
        return json.dumps(value)
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]


def _quotes(text: str) -> int:
    return len(re.findall(r'(?<!\\)"', text))


def _resolve(path: str, event: Json) -> Json:
    """Return what a path like ``$.detail.object.key`` points at, None when nothing is there."""
    if not path.startswith("$"):
        raise UnsupportedPathError(f"`{path}` is not a JSON path: it must begin with $.")
    value, position = event, 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise UnsupportedPathError(f"`{path}`: the local cloud knows fields and indexes only.")
        field, index, quoted = step.groups()
        value = _step(value, field or quoted, index)
        position = step.end()
    return value


def _step(value: Json, field: str | None, index: str | None) -> Json:
    if field is not None:
        return value.get(field) if isinstance(value, Mapping) else None
    if isinstance(value, list) and index is not None and int(index) < len(value):
        return value[int(index)]
    return None
