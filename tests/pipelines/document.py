"""Reads a pipeline's definition: its steps, and what is known in an execution only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Step = dict[str, Any]
_REFERENCE = re.compile(
    r"Steps\.(?P<step>[A-Za-z0-9_-]+)\.(?:OutputParameters\['(?P<output>[^']+)'\]|(?P<property>.+))"
)


def steps_of(definition: Mapping[str, Any]) -> Iterator[Step]:
    """Tell all steps, those of both branches of a condition included."""
    todo: list[Step] = list(definition["Steps"])
    while todo:
        step = todo.pop(0)
        yield step
        if step["Type"] == "Condition":
            todo += step["Arguments"]["IfSteps"] + step["Arguments"]["ElseSteps"]


def own_arguments(step: Step) -> Any:
    """Tell a step's arguments without the steps inside."""
    if step["Type"] == "Condition":
        return step["Arguments"]["Conditions"]
    return step["Arguments"]


def references(value: Any) -> Iterator[str]:
    """Tell everything that is asked for with Get."""
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            yield value["Get"]
            return
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolved(value: Any, get: Callable[[str], Any]) -> Any:
    """Put in what is asked for with Get."""
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            return get(value["Get"])
        return {key: resolved(each, get) for key, each in value.items()}
    if isinstance(value, list):
        return [resolved(each, get) for each in value]
    return value


def parse(reference: str) -> tuple[str, str, str]:
    """Read a reference to a step: its name, and its output or its property."""
    found = _REFERENCE.fullmatch(reference)
    assert found, reference
    return found["step"], found["output"] or "", found["property"] or ""


def needs(step: Step) -> set[str]:
    """Tell the steps that must have ended before this one."""
    asked = (each for each in references(own_arguments(step)) if each.startswith("Steps."))
    return {parse(each)[0] for each in asked} | set(step.get("DependsOn", []))
