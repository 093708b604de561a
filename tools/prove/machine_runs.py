"""What executions really did: arguments, fields that were read, states and transitions reached.

Executions are those of the recorded run, and those that unit tests play (machine_player.py).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tools.prove import machine_files, shapes, sources
from tools.prove.proof import Proof, proof
from tools.prove.recordings import Recording, Task
from tools.prove.sources import MACHINES, Machine
from tools.prove.watched_tests import run_tests

AREA = "State machines"
PLAYED = (
    "tests/unit/functions/test_retrain_machine.py",
    "tests/unit/functions/test_deploy_machine.py",
    "tests/unit/functions/test_transcribe_machine.py",
)
VISITED = "OCR_RETRAIN_VISITED"
_VARIABLE = re.compile(r"\$([a-z_][a-z0-9_]*)((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")


@dataclass(frozen=True)
class Played:
    """One execution that a unit test played."""

    machine: str
    states: Sequence[str]
    tasks: Sequence[Mapping[str, Any]]


def play() -> list[Played]:
    """Run the unit tests of the machines; raises TestsFailedError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "visited.jsonl")
        run_tests(PLAYED, VISITED, str(file))
        lines = file.read_text(encoding="utf-8").splitlines()
    return [Played(**json.loads(line)) for line in lines]


def proofs(recordings: Sequence[Recording], played: Sequence[Played]) -> list[Proof]:
    """Return what the executions prove of both machines."""
    machines = sources.machines(sources.resolver())
    return [
        _arguments(machines, recordings, played),
        _fields(machines, recordings),
        *_reached(machines, recordings, played),
    ]


def _arguments(
    machines: Sequence[Machine], recordings: Sequence[Recording], played: Sequence[Played]
) -> Proof:
    problems: list[str] = []
    checks, seen = 0, set()
    for machine, task, how in _tasks(machines, recordings, played):
        checks += 1
        seen.add((machine, task.state))
        problems += [
            f"{machine}, {task.state!r}: {problem} ({how})"
            for problem in shapes.argument_problems(task.resource, task.arguments)
        ]
    for each in machines:
        for name, _, _ in machine_files.tasks(each.definition):
            if (each.logical_id, name) not in seen:
                problems.append(f"{each.logical_id}, {name!r}: no test has given it arguments")
    how = "botocore: required, types, enums, lengths, patterns; recorded and played values"
    return proof(AREA, "give arguments that the services take", how, checks, problems)


def _tasks(
    machines: Sequence[Machine], recordings: Sequence[Recording], played: Sequence[Played]
) -> Iterator[tuple[str, Task, str]]:
    for recording in recordings:
        for execution in recording.executions:
            machine = _logical_id(execution.machine)
            for task in execution.tasks:
                yield machine, task, "recorded"
    files = {name: logical_id for logical_id, name in MACHINES.items()}
    for each in played:
        for given in each.tasks:
            resource = given["resource"].removeprefix("arn:aws:states:::")
            task = Task("", "", given["state"], resource, given["arguments"], None)
            # Functions are known by short names there.
            if not resource.startswith("lambda:"):
                yield files[each.machine], task, "played"
            elif "Payload" in given["arguments"]:
                named = {
                    **given["arguments"],
                    "FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:f",
                }
                yield (
                    files[each.machine],
                    Task("", "", given["state"], resource, named, None),
                    "played",
                )


def _fields(machines: Sequence[Machine], recordings: Sequence[Recording]) -> Proof:
    """Every variable's field that a visited state reads was there when it was read."""
    read_by = {
        machine.logical_id: {
            name: set(_read_fields(state))
            for name, state in machine_files.states(machine.definition)
        }
        for machine in machines
    }
    problems, checks, tried = [], 0, set()
    for recording in recordings:
        for execution in recording.executions:
            machine = _logical_id(execution.machine)
            for state, variables in _situations(execution.history):
                for name, path in read_by[machine].get(state, ()):
                    checks += 1
                    tried.add((machine, state, name, path))
                    if name in variables and not _has(variables[name], path):
                        field = f"${name}.{'.'.join(path)}"
                        problems.append(f"{machine}, {state!r}: {field} is not there")
    total = sum(len(fields) for states in read_by.values() for fields in states.values())
    how = f"variables as they were in recorded executions; {len(tried)} of {total} fields were read"
    return proof(AREA, "find the fields they read", how, checks, problems)


def _read_fields(state: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    conditions = [choice["Condition"] for choice in state.get("Choices", [])]
    always = {key: state[key] for key in ("Arguments", "Output") if key in state}
    for match in _VARIABLE.finditer(json.dumps([conditions, always])):
        name, path = match.group(1), tuple(match.group(2).lstrip(".").split("."))
        if name != "states":
            yield name, path


def _situations(history: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each state that was entered, with the variables of that moment."""
    variables: dict[str, Any] = {}
    for event in history:
        entered, exited = (
            event.get("stateEnteredEventDetails"),
            event.get("stateExitedEventDetails"),
        )
        if entered is not None:
            yield entered["name"], dict(variables)
        if exited is not None:
            for name, value in exited.get("assignedVariables", {}).items():
                variables[name] = json.loads(value)


def _has(value: Any, path: Sequence[str]) -> bool:  # noqa: ANN401 - JSON
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return True


def _reached(
    machines: Sequence[Machine], recordings: Sequence[Recording], played: Sequence[Played]
) -> Iterator[Proof]:
    for machine in machines:
        name = MACHINES[machine.logical_id]
        recorded = [
            execution.states
            for recording in recordings
            for execution in recording.executions
            if _logical_id(execution.machine) == machine.logical_id
        ]
        runs = [*recorded, *(each.states for each in played if each.machine == name)]
        every = {state for state, _ in machine_files.states(machine.definition)}
        entered = {state for run in runs for state in run}
        really = {state for run in recorded for state in run}
        problems = [
            f"{machine.logical_id}: no test reaches {state!r}; add one to {PLAYED[0]} or a sibling"
            for state in sorted(every - entered)
        ]
        known = transitions(machine.definition)
        taken = {pair for run in runs for pair in _pairs(run, machine.definition)} & known
        yield proof(
            AREA,
            f"{name}: every state is reached by a test",
            f"{len(entered & every)} of {len(every)} states, {len(really & every)} of them in the "
            f"recorded run; {len(taken)} of {len(known)} transitions",
            len(every) + len(known),
            problems,
            [f"{name}: not taken: {one} -> {other}" for one, other in sorted(known - taken)],
        )


def _pairs(run: Sequence[str], definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    # States inside of maps have transitions of their own.
    yield from pairwise(state for state in run if state in definition["States"])


def transitions(definition: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return every pair of states of which one may follow the other."""
    found = set()
    for name, state in definition["States"].items():
        targets = [state.get("Next"), state.get("Default")]
        targets += [each["Next"] for each in (*state.get("Choices", []), *state.get("Catch", []))]
        found |= {(name, target) for target in targets if target}
    return found


def _logical_id(machine_arn: str) -> str:
    name = machine_arn.rpartition("-")[2]
    return next(logical_id for logical_id, file in MACHINES.items() if file == name)
