"""The state machines' definitions alone: validity, names of arguments, results and errors."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tools.lint_state_machines import definition_problems
from tools.prove import machine_files, shapes, sources
from tools.prove.proof import Proof, proof
from tools.prove.sources import ROOT, Machine

AREA = "State machines"
_RESULT = re.compile(r"\$states\.result((?:\.[A-Za-z0-9_]+)+)")
# "Handling errors in Step Functions workflows" in the developer guide.
_STATES_ERRORS = {
    "States.ALL",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.ItemReaderFailed",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
}
# Errors that the SDK, not the service, raises; "Handle transient Lambda service exceptions", and
# the base exceptions of the Java SDK under which Step Functions reports what has no own name.
_SDK_ERRORS = {
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
    "Lambda.ClientExecutionTimeoutException",
    "SageMaker.AmazonSageMakerException",
    "SageMaker.SageMakerException",
    "StepFunctions.AWSStepFunctionsException",
    # The developer guide's own example of a nested execution has it without the ending.
    "StepFunctions.ExecutionLimitExceeded",
}
_SERVICES = {"Lambda": "lambda", "SageMaker": "sagemaker", "StepFunctions": "stepfunctions"}


def proofs() -> list[Proof]:
    """Return what the texts prove."""
    machines = sources.machines(sources.resolver())
    return [_valid(machines), _named(machines), _results(machines), _errors(machines)]


def _valid(machines: list[Machine]) -> Proof:
    problems = [
        f"{machine.logical_id}: {problem}"
        for machine in machines
        for problem in definition_problems(machine.definition)
    ]
    count = sum(1 for machine in machines for _ in machine_files.states(machine.definition))
    return proof(
        AREA, "are valid", "ASL validator (statelint), substitutions filled in", count, problems
    )


def _named(machines: list[Machine]) -> Proof:
    problems, checks = [], 0
    for machine, name, resource, state in _tasks(machines):
        arguments = state.get("Arguments", {})
        if isinstance(arguments, str):
            # An expression makes them; what it comes to is seen in recorded runs.
            continue
        checks += len(arguments)
        problems += [
            f"{machine.logical_id}, {name!r}: {problem}"
            for problem in _name_problems(resource, arguments)
        ]
    how = "botocore's input shapes, PascalCase"
    return proof(AREA, "name only arguments that exist, and all required", how, checks, problems)


def _name_problems(resource: str, arguments: Mapping[str, Any]) -> list[str]:
    try:
        return shapes.name_problems(resource, arguments)
    except shapes.UnknownOperationError as error:
        return [str(error)]


def _results(machines: list[Machine]) -> Proof:
    """Every field that is read from a result exists in the service's output."""
    problems, checks = [], 0
    for machine, name, resource, state in _tasks(machines):
        for path in _result_paths(state):
            checks += 1
            # What a function answers and what an execution ends with is seen in recorded runs.
            is_free = path[0] in ("Payload", "Output")
            if not is_free and not shapes.has_member(shapes.result_members(resource), path):
                problems.append(
                    f"{machine.logical_id}, {name!r}: {resource} gives no {'.'.join(path)}"
                )
    how = "botocore's output shapes"
    return proof(AREA, "read only fields of results that services give", how, checks, problems)


def _result_paths(state: Mapping[str, Any]) -> Iterator[list[str]]:
    own = {key: state[key] for key in ("Assign", "Output") if key in state}
    for match in _RESULT.finditer(json.dumps(own)):
        yield match.group(1).lstrip(".").split(".")


def _errors(machines: list[Machine]) -> Proof:
    problems, checks = [], 0
    for machine in machines:
        for name, state in machine_files.states(machine.definition):
            for each in (*state.get("Retry", []), *state.get("Catch", [])):
                for error in each["ErrorEquals"]:
                    checks += 1
                    if not error_exists(error):
                        problems.append(
                            f"{machine.logical_id}, {name!r}: nothing raises {error}; see "
                            "tools/prove/machine_texts.py for what is known"
                        )
    how = "States.*, botocore's error shapes, exceptions of functions/"
    return proof(AREA, "retry and catch only errors that exist", how, checks, problems)


def error_exists(error: str) -> bool:
    """Whether Step Functions, a service or a function of ours can end a task with this error."""
    if error in _STATES_ERRORS | _SDK_ERRORS:
        return True
    service, _, name = error.rpartition(".")
    if service in _SERVICES:
        return name in shapes.error_names(_SERVICES[service])
    return not service and name in _own_exceptions()


@cache
def _own_exceptions() -> frozenset[str]:
    found = set()
    for file in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                found.add(node.name)
    return frozenset(found)


def _tasks(machines: list[Machine]) -> Iterator[tuple[Machine, str, str, dict[str, Any]]]:
    for machine in machines:
        for name, resource, state in machine_files.tasks(machine.definition):
            yield machine, name, resource, state
