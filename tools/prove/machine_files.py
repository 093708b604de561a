"""Walks through state machine definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonata import Jsonata
from tools.prove.recordings import Task

_ARN = "arn:aws:states:::"
_JOB = re.compile(r"sagemaker:create(Training|Processing|Transform)Job")


def states(definition: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every state with its name, those inside of maps and branches included."""
    for name, state in definition["States"].items():
        yield name, state
        inner = [state.get("ItemProcessor"), *state.get("Branches", [])]
        for each in inner:
            if each:
                yield from states(each)


def tasks(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, integration such as ``sagemaker:createModel`` and state of every task."""
    for name, state in states(definition):
        if state["Type"] == "Task":
            yield name, state["Resource"].removeprefix(_ARN), state


def distributed_maps(definition: Mapping[str, Any]) -> Iterator[str]:
    """Yield the label of every map that runs its items as executions."""
    for name, state in states(definition):
        mode = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode")
        if state["Type"] == "Map" and mode == "DISTRIBUTED":
            yield state.get("Label", name)


def waiting_tasks(definition: Mapping[str, Any], machine: str) -> Iterator[Task]:
    """Yield every task that waits for what it starts, with its constant arguments."""
    for name, resource, state in tasks(definition):
        if ".sync" in resource:
            written = state["Arguments"]
            arguments = {
                key: "of-a-run" if _is_expression(value) else value
                for key, value in (written if isinstance(written, dict) else {}).items()
                if not isinstance(value, dict | list)
            }
            job = _JOB.match(resource)
            if job:
                # The names of jobs begin as those of the application do.
                arguments[f"{job.group(1)}JobName"] = "ocr-retrain-of-a-run"
            yield Task(machine, "", name, resource, arguments, None)


def _is_expression(value: object) -> bool:
    return isinstance(value, str) and value.startswith("{%")


def evaluated(expression: str) -> float:
    """Return the number that a JSONata expression without variables comes to."""
    return float(Jsonata(expression).evaluate(None))
