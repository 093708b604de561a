"""Reads what a recorded run of the local cloud left (see local/localcloud/recording.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.prove.calls import Call

FILES = ("calls.jsonl", "executions.jsonl", "stack.json")


@dataclass(frozen=True)
class Task:
    """One task that an execution scheduled, with its arguments, and its result if it had one."""

    machine: str
    execution: str
    state: str
    resource: str
    arguments: Mapping[str, Any]
    result: Any


@dataclass(frozen=True)
class Execution:
    """One ended execution; ``states`` were entered, ``transitions`` taken."""

    machine: str
    arn: str
    status: str
    payload_bytes: int
    history: Sequence[Mapping[str, Any]]

    @cached_property
    def states(self) -> list[str]:
        """The states in the order in which they were entered, those of maps included."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history
            if "stateEnteredEventDetails" in event
        ]

    @cached_property
    def tasks(self) -> list[Task]:
        """Everything that was scheduled, in order."""
        tasks: list[Task] = []
        state = ""
        for event in self.history:
            if "stateEnteredEventDetails" in event:
                state = event["stateEnteredEventDetails"]["name"]
            scheduled = event.get("taskScheduledEventDetails")
            if scheduled is not None:
                resource = f"{scheduled['resourceType']}:{scheduled['resource']}"
                arguments = json.loads(scheduled["parameters"])
                tasks.append(Task(self.machine, self.arn, state, resource, arguments, None))
            succeeded = event.get("taskSucceededEventDetails")
            if succeeded is not None and tasks:
                last = tasks[-1]
                output = json.loads(succeeded.get("output") or "null")
                tasks[-1] = Task(
                    last.machine, last.execution, last.state, last.resource, last.arguments, output
                )
        return tasks


@dataclass(frozen=True)
class Recording:
    """One recorded cloud."""

    parameters: Mapping[str, str]
    physical: Mapping[str, str]
    calls: Sequence[Call]
    executions: Sequence[Execution]


def read(folder: Path) -> list[Recording]:
    """Return every complete recording below ``folder``; FileNotFoundError when there is none."""
    found = [
        _one(each)
        for each in sorted(folder.iterdir() if folder.is_dir() else [])
        if all((each / name).exists() for name in FILES)
    ]
    if not found:
        raise FileNotFoundError(f"no recorded run lies in {folder}")
    return found


def _one(folder: Path) -> Recording:
    stack = json.loads((folder / "stack.json").read_text(encoding="utf-8"))
    calls = [Call(**line) for line in _lines(folder / "calls.jsonl")]
    executions = [_execution(line) for line in _lines(folder / "executions.jsonl")]
    return Recording(stack["parameters"], stack["resources"], calls, executions)


def _execution(line: Mapping[str, Any]) -> Execution:
    history = line["history"]
    longest = max((len(json.dumps(event, default=str)) for event in history), default=0)
    return Execution(line["machine"], line["execution"], line["status"], longest, history)


def _lines(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            # A cloud that is ended while it writes leaves half a line.
            if line.endswith("\n"):
                yield json.loads(line)
