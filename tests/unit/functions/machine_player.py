"""Plays a state machine in no time: real definition, real JSONata, tasks as Python functions.

Waits and the pauses of retries only move a clock. What Step Functions itself does beyond that is
tested against the local cloud.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError
from jsonata import Jsonata

MACHINES = Path(__file__).parents[3] / "statemachine"
MOST_STATES = 500
# A file that gets one line per execution: how it went through its machine. For tools/prove.
VISITED = "OCR_RETRAIN_VISITED"
# Errors that the SDK integration of SageMaker gives a name of their own.
_NAMED = {"ResourceLimitExceeded", "ResourceInUse", "ResourceNotFound", "ConflictException"}

Task = Callable[[dict[str, Any]], Any]


class TaskFailed(Exception):
    """A task ended with this error and cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass
class Ended:
    """How an execution ended; ``states`` are the names of the states it went through."""

    status: str
    output: Any
    error: str
    cause: str
    states: list[str]


@dataclass
class Player:
    """Plays one state machine; ``tasks`` are known by function ARN or ``service:action``.

    ``items`` are what the readers of maps find, by the maps' names.
    """

    name: str
    substitutions: Mapping[str, object]
    tasks: Mapping[str, Task]
    on_wait: Callable[[float], None]
    items: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    retried: list[str] = field(default_factory=list)

    def run(self, given: Mapping[str, Any] | None = None) -> Ended:
        execution = Execution(self, self._definition(), dict(given or {}))
        try:
            return execution.run()
        finally:
            _keep(self.name, execution)

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
        self.on_wait(seconds)

    def _definition(self) -> dict[str, Any]:
        given = tuple((name, str(value)) for name, value in self.substitutions.items())
        return _read(self.name, given)


@cache
def _read(name: str, substitutions: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    text = (MACHINES / f"{name}.asl.yaml").read_text(encoding="utf-8")
    for placeholder, value in substitutions:
        text = text.replace(f"${{{placeholder}}}", value)
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


class Execution:
    """One execution, with its variables."""

    def __init__(self, player: Player, definition: dict[str, Any], given: dict[str, Any]) -> None:
        self.player, self.definition, self.given = player, definition, given
        self.variables: dict[str, Any] = {}
        self.visited: list[str] = []
        self.item: Any = None
        self.is_item = False
        self.output: Any = None
        self.started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.tasks: list[dict[str, Any]] = []

    def run(self) -> Ended:
        name = self.definition["StartAt"]
        while True:
            self.visited.append(name)
            assert len(self.visited) < MOST_STATES, f"it never ends: {self.visited[-20:]}"
            state = self.definition["States"][name]
            if state["Type"] == "Succeed":
                output = self.evaluate(state.get("Output"), {})
                return Ended("SUCCEEDED", output, "", "", self.visited)
            if state["Type"] == "Fail":
                told = [str(self.evaluate(state[key], {})) for key in ("Error", "Cause")]
                return Ended("FAILED", None, told[0], told[1], self.visited)
            name = getattr(self, f"_{state['Type'].lower()}")(name, state)
            if not name:
                return Ended("SUCCEEDED", None, "", "", self.visited)

    def evaluate(self, value: Any, states: Mapping[str, Any]) -> Any:
        if isinstance(value, dict):
            return {key: self.evaluate(item, states) for key, item in value.items()}
        if isinstance(value, list):
            return [self.evaluate(item, states) for item in value]
        if isinstance(value, str) and value.startswith("{%"):
            return self._jsonata(value, states)
        return value

    def _jsonata(self, value: str, states: Mapping[str, Any]) -> Any:
        expression = Jsonata(value.removeprefix("{%").removesuffix("%}"))
        frame = expression.create_frame()
        for name, known in self.variables.items():
            frame.bind(name, known)
        frame.bind("states", {**states, "input": self.given, "context": self._context()})
        result = expression.evaluate(None, frame)
        assert result is not None, f"{value} has no value in {self.visited[-1]}"
        return result

    def _context(self) -> dict[str, Any]:
        about = {
            "Id": "arn:aws:states:execution:1",
            "StartTime": self.started_at,
            "Input": self.given,
        }
        state = {"Name": self.visited[-1], "EnteredTime": "now", "RetryCount": 0}
        return {"Execution": about, "State": state, "Map": {"Item": {"Value": self.item}}}

    def _assign(self, assigned: Mapping[str, Any] | None, states: Mapping[str, Any]) -> None:
        self.variables.update(self.evaluate(dict(assigned or {}), states))

    def _choice(self, name: str, state: Mapping[str, Any]) -> str:
        for choice in state["Choices"]:
            if self.evaluate(choice["Condition"], {}):
                self._assign(choice.get("Assign"), {})
                return str(choice["Next"])
        self._assign(state.get("Assign"), {})
        return str(state["Default"])

    def _pass(self, name: str, state: Mapping[str, Any]) -> str:
        self._assign(state.get("Assign"), {})
        return str(state.get("Next", ""))

    def _wait(self, name: str, state: Mapping[str, Any]) -> str:
        self.player.wait(float(self.evaluate(state["Seconds"], {})))
        self._assign(state.get("Assign"), {})
        return str(state["Next"])

    def _map(self, name: str, state: Mapping[str, Any]) -> str:
        found = self.evaluate(state["Items"], {}) if "Items" in state else self.player.items[name]
        try:
            results = [self._play_item(state, item) for item in found]
        except TaskFailed:
            threshold = "States.ExceedToleratedFailureThreshold"
            return self._catch(state, TaskFailed(threshold, "too many items failed"))
        self._assign(state.get("Assign"), {"result": results})
        return str(state["Next"])

    def _play_item(self, state: Mapping[str, Any], item: Any) -> Any:
        self.item = item
        given = self.evaluate(state["ItemSelector"], {}) if "ItemSelector" in state else item
        inner = Execution(self.player, state["ItemProcessor"], given)
        inner.is_item, inner.tasks, inner.variables = True, self.tasks, dict(self.variables)
        try:
            inner.run()
        finally:
            self.visited += inner.visited
        return inner.output

    def _task(self, name: str, state: Mapping[str, Any]) -> str:
        tries: dict[int, int] = {}
        while True:
            try:
                result = self._work(state)
            except TaskFailed as failure:
                pause = self._pause(state, failure, tries)
                if pause is not None:
                    self.player.retried.append(name)
                    self.player.wait(pause)
                    continue
                return self._catch(state, failure)
            self._assign(state.get("Assign"), {"result": result})
            self.output = self.evaluate(state.get("Output"), {"result": result})
            return str(state.get("Next", ""))

    def _work(self, state: Mapping[str, Any]) -> Any:
        arguments = self.evaluate(state["Arguments"], {})
        about = {"state": self.visited[-1], "resource": state["Resource"], "arguments": arguments}
        self.tasks.append(about)
        if state["Resource"].endswith("lambda:invoke"):
            task = self.player.tasks[arguments["FunctionName"]]
            return {"Payload": _called(task, arguments["Payload"], _lambda_failed)}
        service = state["Resource"].removeprefix("arn:aws:states:::").removeprefix("aws-sdk:")
        return _called(self.player.tasks[service], arguments, _sdk_failed)

    def _pause(
        self, state: Mapping[str, Any], failure: TaskFailed, tries: dict[int, int]
    ) -> float | None:
        for number, retrier in enumerate(state["Retry"]):
            if _matches(retrier["ErrorEquals"], failure.error):
                done = tries.get(number, 0)
                if done == retrier["MaxAttempts"]:
                    return None
                tries[number] = done + 1
                return float(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** done)
        return None

    def _catch(self, state: Mapping[str, Any], failure: TaskFailed) -> str:
        told = {"errorOutput": {"Error": failure.error, "Cause": failure.cause}}
        for catcher in state.get("Catch", []):
            if _matches(catcher["ErrorEquals"], failure.error):
                self._assign(catcher.get("Assign"), told)
                self.output = self.evaluate(catcher.get("Output"), told)
                return str(catcher["Next"])
        assert self.is_item, f"nothing catches {failure}"
        raise failure


def _keep(machine: str, execution: Execution) -> None:
    file = os.environ.get(VISITED)
    if file:
        line = {"machine": machine, "states": execution.visited, "tasks": execution.tasks}
        with Path(file).open("a", encoding="utf-8") as visited:
            visited.write(f"{json.dumps(line, default=str)}\n")


def _matches(patterns: Sequence[str], error: str) -> bool:
    return error in patterns or bool({"States.ALL", "States.TaskFailed"} & set(patterns))


def _called(task: Task, given: dict[str, Any], failed: Callable[[Exception], TaskFailed]) -> Any:
    try:
        return json.loads(json.dumps(task(given), default=str))
    except (AssertionError, TaskFailed):
        raise
    except Exception as error:
        raise failed(error) from error


def _lambda_failed(error: Exception) -> TaskFailed:
    told = {"errorMessage": str(error), "errorType": type(error).__name__}
    return TaskFailed(type(error).__name__, json.dumps(told))


def _sdk_failed(error: Exception) -> TaskFailed:
    assert isinstance(error, ClientError), error
    about = error.response["Error"]
    name = about["Code"] if about["Code"] in _NAMED else "SageMaker"
    cause = f"{about['Message']} (Service: SageMaker, Status Code: 400, Request ID: 1)"
    return TaskFailed(f"SageMaker.{name.removesuffix('Exception')}Exception", cause)
