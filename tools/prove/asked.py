"""What IAM is asked of each role: by a recorded run, and by AWS services on their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from tools.prove import machine_files, services, sources
from tools.prove.calls import Call, requests
from tools.prove.policies import Request
from tools.prove.recordings import Recording, Task
from tools.prove.resolved import Resolver
from tools.prove.roles import Role, Roles

Asked: TypeAlias = Iterator[tuple[Role, Request, str]]
# Callers that the local cloud notes for what SageMaker does itself, and what creates them.
_CONTAINERS = {
    "training job": "CreateTrainingJob",
    "processing job": "CreateProcessingJob",
    # A batch job reads and writes with its model's role.
    "transform job": "CreateModel",
    "endpoint": "CreateModel",
}


def recorded(recording: Recording, resolver: Resolver, known: Roles) -> Asked:
    """Yield role, request and asker of everything in a recording; raises UnknownCallError."""
    yield from by_services(resolver, known)
    created: dict[str, Role] = {}
    for task, role in _tasks(recording, known):
        for request in services.of_task(task):
            yield role, request, f"state {task.state!r}"
        call = _as_call(task)
        given = known.by_arn(_role_arn(call))
        if call.operation in _CONTAINERS.values() and given is not None:
            created[call.operation] = given
        for request in services.of_container(call, resolver):
            if given is not None:
                yield given, request, f"SageMaker for {call.operation}"
    for call in recording.calls:
        caller = _caller(call, known, created)
        if caller is not None:
            for request in requests(call):
                yield caller, request, call.caller


def by_services(resolver: Resolver, known: Roles) -> Asked:
    """Yield what Lambda, Step Functions and SQS need, whatever a run has shown."""
    for name, resource in resolver.resources().items():
        made = _BY_KIND.get(resource["Type"])
        if made is not None:
            yield from made(name, resource["Properties"], resolver, known)
    for machine in sources.machines(resolver):
        role, arn = known.by_id[machine.role], resolver.arn(machine.logical_id)
        for label in machine_files.distributed_maps(machine.definition):
            for request in services.of_map(arn, label):
                yield role, request, f"Step Functions, map {label}"
        for task in machine_files.waiting_tasks(machine.definition, arn):
            for request in services.of_task(task):
                yield role, request, f"state {task.state!r}"


def _of_function(
    name: str, properties: Mapping[str, Any], resolver: Resolver, known: Roles
) -> Asked:
    function = resolver.name(name)
    for request in services.of_function(properties, function):
        yield known.by_id[known.of_function[function]], request, "Lambda"


def _of_event_source(
    name: str, properties: Mapping[str, Any], resolver: Resolver, known: Roles
) -> Asked:
    del name, resolver
    role = known.by_id[known.of_function[str(properties["FunctionName"])]]
    for request in services.of_event_source(properties):
        yield role, request, "Lambda, polling its queue"


def _of_machine(
    name: str, properties: Mapping[str, Any], resolver: Resolver, known: Roles
) -> Asked:
    role = known.by_id[known.of_machine[resolver.arn(name)]]
    for request in services.of_machine(properties):
        yield role, request, "Step Functions"


_BY_KIND = {
    "AWS::Lambda::Function": _of_function,
    "AWS::Lambda::EventSourceMapping": _of_event_source,
    "AWS::StepFunctions::StateMachine": _of_machine,
}


def _tasks(recording: Recording, known: Roles) -> Iterator[tuple[Task, Role]]:
    for execution in recording.executions:
        role = known.by_id[known.of_machine[execution.machine]]
        for task in execution.tasks:
            yield task, role


def _as_call(task: Task) -> Call:
    operation = task.resource.rpartition(":")[2].partition(".")[0]
    return Call("states", "sagemaker", operation[:1].upper() + operation[1:], task.arguments)


def _role_arn(call: Call) -> str:
    return str(call.parameters.get("RoleArn") or call.parameters.get("ExecutionRoleArn"))


def _caller(call: Call, known: Roles, created: Mapping[str, Role]) -> Role | None:
    """Return the role that a call was made with; None for people, tools and tests."""
    if call.caller in known.of_function:
        return known.by_id[known.of_function[call.caller]]
    return created.get(_CONTAINERS.get(call.caller, ""))
