"""Does everything fit into AWS's limits, with every parameter at its largest?

Sources: "Lambda quotas", "Step Functions service quotas", "CloudFormation quotas", "Using Lambda
with Amazon SQS", and botocore's models for what SageMaker takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any

from tools.prove import machine_files, machine_runs, shapes, sources
from tools.prove.proof import Proof, proof
from tools.prove.recordings import Recording
from tools.prove.resolved import Resolver
from tools.prove.sources import Machine

from retraining import names

AREA = "Limits"
PAYLOAD_BYTES = 256 * 1024
HISTORY_EVENTS = 25_000
ENVIRONMENT_BYTES = 4096
_LONGEST_NAMES = {
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", 80),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupName", 63),
    "AWS::CodeBuild::Project": ("Name", 150),
    "AWS::ECR::Repository": ("RepositoryName", 256),
    "AWS::Budgets::Budget": ("BudgetName", 100),
}
_LONGEST_NUMBER = "0.123456789012345"
_LARGEST_TRIES = 99
_VERSION = 999_999
_RUN = names.run_id(datetime(2026, 1, 1, tzinfo=UTC), "abcdef")
# A wait that polls -> its pause, and what bounds the time: a parameter, or else the machine.
_POLLS = {
    ("RetrainStateMachine", "Wait for missing images"): ("UploadPollSeconds", "UploadWaitSeconds"),
    ("DeployStateMachine", "Wait for the endpoint"): ("EndpointPollSeconds", ""),
    ("DeployStateMachine", "Wait for the other deployment"): ("EndpointPollSeconds", ""),
}
# Characters of parameters whose patterns bound them, or what they name: ids have 17 hexadecimal
# digits, an image's URI has at most 512 characters.
_BOUNDED = {
    "Prefix": 20,
    "CodeVersion": 100,
    "TextNormalization": 34,
    "TrainingImageUri": 512,
    "InferenceImageUri": 512,
    "TrainingInstanceType": 32,
    "EvaluationInstanceType": 32,
    "EndpointInstanceType": 32,
    "TranscriptionInstanceType": 32,
    "EndpointTimeZone": 64,
    "KmsKeyArn": 100,
    "VpcSubnetIds": 16 * 25,
    "VpcSecurityGroupIds": 5 * 21,
}
# Parameters that are taken apart, so that not any text will do.
_LONGEST_TEXTS = {"EndpointHours": "MON-FRI 07:00-20:00"}
# Waits end a hundredth of the time that the execution has taken later, see the definitions.
_GROWTH = 100


def static_proofs() -> list[Proof]:
    """Return what templates and definitions prove."""
    largest = largest_parameters(sources.transformed())
    resolver = Resolver(sources.transformed(), largest)
    machines = sources.machines(sources.resolver())
    return [
        _names(resolver),
        _environments(resolver),
        _visibility(sources.resolver()),
        _timeouts(resolver),
        _histories(machines),
        _hyperparameters(),
    ]


def recorded_proofs(recordings: Sequence[Recording]) -> list[Proof]:
    """Return what a recorded run proves."""
    executions = [each for recording in recordings for each in recording.executions]
    payload = max((each.payload_bytes for each in executions), default=0)
    events = max((len(each.history) for each in executions), default=0)
    problems = []
    # What was recorded is small; ten times as much must fit, too.
    if payload * 10 > PAYLOAD_BYTES:
        problems.append(f"a payload has {payload:,} bytes: hand over a pointer into S3 instead")
    if events > HISTORY_EVENTS:
        problems.append(f"an execution has {events:,} events of {HISTORY_EVENTS:,}")
    claim = "payloads and histories stay far below 256 KiB and 25,000 events"
    how = f"recorded executions: at most {payload:,} bytes, {events:,} events"
    return [proof(AREA, claim, how, 2 * len(executions), problems)]


def largest_parameters(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the longest value that each parameter may have; "" where nothing bounds it."""
    bounded = {
        name: text for name, text in _LONGEST_TEXTS.items() if name in template["Parameters"]
    }
    return bounded | {
        name: "x" * _BOUNDED[name] if name in _BOUNDED else _longest(declaration)
        for name, declaration in template["Parameters"].items()
        if name not in _LONGEST_TEXTS
    }


def _longest(declaration: Mapping[str, Any]) -> str:
    if "AllowedValues" in declaration:
        return max(map(str, declaration["AllowedValues"]), key=len)
    if "MaxLength" in declaration:
        return "x" * int(declaration["MaxLength"])
    if declaration["Type"] == "Number":
        return str(declaration.get("MaxValue", _LONGEST_NUMBER))
    return str(declaration.get("Default", ""))


def _names(resolver: Resolver) -> Proof:
    problems, checks = [], 0
    for logical_id, resource in resolver.resources().items():
        name, longest = _LONGEST_NAMES.get(resource["Type"], ("", 0))
        given = resource["Properties"].get(name)
        if given is not None:
            checks += 1
            if len(str(given)) > longest:
                problems.append(f"{logical_id}: {given!r} has more than {longest} characters")
    for what, made, longest in _made_names("x" * 20):
        checks += 1
        if len(made) > longest:
            problems.append(f"{what}: {made!r} has more than {longest} characters")
    how = "with the longest Prefix, version and number of tries: 63, 64, 80, 255 characters"
    return proof(AREA, "names are short enough", how, checks, problems)


def _made_names(prefix: str) -> Iterator[tuple[str, str, int]]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    yield "training job", f"{names.training_job(prefix, _RUN)}-s{_LARGEST_TRIES}", 63
    yield "evaluation job", f"{names.evaluation_job(prefix, _RUN)}-{_LARGEST_TRIES}", 63
    yield "model", names.model(prefix, _VERSION, "arn", now), 63
    yield "endpoint configuration", names.endpoint_config(prefix, _VERSION, now, "abcd"), 63
    yield "endpoint", prefix, 63
    yield "run", _RUN, 80
    yield "nested deployment", f"{_RUN}-deploy-{_LARGEST_TRIES}", 80


def _environments(resolver: Resolver) -> Proof:
    problems, checks, largest = [], 0, (0, "")
    template = resolver.template
    for logical_id, resource in resolver.resources().items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        checks += 1
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        size = sum(len(str(name)) + len(str(value)) for name, value in variables.items())
        largest = max(largest, (size, logical_id))
        if size > ENVIRONMENT_BYTES:
            problems.append(
                f"{logical_id}: {size:,} bytes of environment with the longest parameters, "
                f"{ENVIRONMENT_BYTES:,} are allowed: give a parameter a smaller MaxLength"
            )
        raw = template["Resources"][logical_id]["Properties"].get("Environment", {})
        for parameter in _free_texts(template, raw):
            problems.append(f"{logical_id}: {parameter} can be of any length; give it a MaxLength")
    how = f"every parameter at its longest; {largest[1]} has {largest[0]:,} of 4,096 bytes"
    return proof(AREA, "environments fit", how, checks, problems)


def _free_texts(template: Mapping[str, Any], environment: Mapping[str, Any]) -> Iterator[str]:
    text = json.dumps(environment)
    for name, declaration in template["Parameters"].items():
        is_free = declaration["Type"] == "String" and not {"AllowedValues", "MaxLength"} & set(
            declaration
        )
        if is_free and f'"Ref": "{name}"' in text and name not in {*_BOUNDED, *_LONGEST_TEXTS}:
            yield name


def _visibility(resolver: Resolver) -> Proof:
    resources = resolver.resources()
    functions = {
        resolver.name(name): int(resource["Properties"]["Timeout"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    queues = {
        resolver.arn(name): int(resource["Properties"].get("VisibilityTimeout", 30))
        for name, resource in resources.items()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    problems, checks = [], 0
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            checks += 1
            visible = queues[resource["Properties"]["EventSourceArn"]]
            timeout = functions[resource["Properties"]["FunctionName"]]
            window = int(resource["Properties"].get("MaximumBatchingWindowInSeconds", 0))
            if visible < 6 * timeout or visible < timeout + window:
                problems.append(
                    f"{name}: the queue hides messages for {visible} s, six times the function's "
                    f"{timeout} s are advised"
                )
    how = "VisibilityTimeout >= 6 times the function's timeout"
    return proof(AREA, "messages stay hidden while a function works", how, checks, problems)


def _timeouts(resolver: Resolver) -> Proof:
    """Each state outlives what it calls, and each machine its states, whatever the parameters."""
    functions = {
        resolver.arn(name): int(resource["Properties"]["Timeout"])
        for name, resource in resolver.resources().items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    machines = sources.machines(resolver)
    limits = {
        resolver.arn(each.logical_id): int(_number(each.definition["TimeoutSeconds"]))
        for each in machines
    }
    problems, checks = [], 0
    for machine in machines:
        for name, resource, state in machine_files.tasks(machine.definition):
            inner = _inner_limit(resource, state["Arguments"], functions, limits)
            outer = _number(state["TimeoutSeconds"])
            checks += 1
            if inner is not None and outer <= inner:
                problems.append(
                    f"{machine.logical_id}, {name!r}: TimeoutSeconds is {outer}, what it waits for "
                    f"may take {inner}"
                )
        needed = _longest_way(machine, resolver)
        given = limits[resolver.arn(machine.logical_id)]
        checks += 1
        if needed > given:
            problems.append(
                f"{machine.logical_id}: its states may take {needed:,} s together, the machine "
                f"ends after {given:,}: raise TimeoutSeconds, or lower a parameter's MaxValue"
            )
    return proof(AREA, "timeouts nest", "parameters at their largest", checks, problems)


def _inner_limit(
    resource: str,
    arguments: Mapping[str, Any] | str,
    functions: Mapping[str, int],
    machines: Mapping[str, int],
) -> float | None:
    if isinstance(arguments, str):
        return None
    if resource == "lambda:invoke":
        return functions[arguments["FunctionName"]]
    if resource.startswith("states:startExecution.sync"):
        return machines[arguments["StateMachineArn"]]
    condition = arguments.get("StoppingCondition")
    if isinstance(condition, Mapping):
        return _number(condition["MaxRuntimeInSeconds"])
    return None


def _longest_way(machine: Machine, resolver: Resolver) -> float:
    """Sum what every waiting task may take once, the training job twice, and the uploads' wait."""
    total = 0.0
    for _, resource, state in machine_files.tasks(machine.definition):
        if ".sync" in resource:
            tries = 2 if resource.startswith("sagemaker:createTrainingJob") else 1
            total += tries * _number(state["TimeoutSeconds"])
    if machine.logical_id == "RetrainStateMachine":
        total += float(resolver.parameters["UploadWaitSeconds"])
    return total


def _number(value: object) -> float:
    if isinstance(value, str):
        expression = value.removeprefix("{%").removesuffix("%}").strip()
        return machine_files.evaluated(expression)
    return float(str(value))


def _histories(machines: Sequence[Machine]) -> Proof:
    template = sources.transformed()
    problems, checks, most = [], 0, 0
    for machine in machines:
        for name, state in machine_files.states(machine.definition):
            if state["Type"] != "Wait" or not _is_in_cycle(machine.definition, name):
                continue
            checks += 1
            if (machine.logical_id, name) not in _POLLS:
                problems.append(
                    f"{machine.logical_id}, {name!r}: what bounds its polling? Write it "
                    "down in tools/prove/limits.py"
                )
                continue
            events = _polled_events(template, machine, name)
            most = max(most, events)
            if events > HISTORY_EVENTS:
                problems.append(
                    f"{machine.logical_id}, {name!r}: polling may make {events:,} events; let it "
                    "wait for longer the longer it has waited"
                )
    how = f"polls at their shortest for their longest: at most {most:,} of 25,000 events"
    return proof(AREA, "histories are never full", how, checks, problems)


def _polled_events(template: Mapping[str, Any], machine: Machine, wait: str) -> int:
    poll, bound = _POLLS[machine.logical_id, wait]
    declared = template["Parameters"]
    shortest = float(declared[poll]["MinValue"])
    longest = (
        float(declared[bound]["MaxValue"])
        if bound
        else _number(machine.definition["TimeoutSeconds"])
    )
    state = machine.definition["States"][wait]
    rounds = polls(shortest, longest, growing="$millis" in str(state["Seconds"]))
    cycle = _cycle(machine.definition, wait)
    kinds = [machine.definition["States"][each]["Type"] for each in cycle]
    return rounds * sum(5 if kind == "Task" else 2 for kind in kinds)


def polls(shortest: float, longest: float, *, growing: bool) -> int:
    """Return how often is polled until ``longest`` seconds are over; ``growing`` waits grow."""
    if not growing:
        return ceil(longest / shortest)
    rounds, elapsed = 0, 0.0
    while elapsed < longest:
        elapsed += max(shortest, ceil(elapsed / _GROWTH))
        rounds += 1
    return rounds


def _is_in_cycle(definition: Mapping[str, Any], state: str) -> bool:
    return state in definition["States"] and bool(_cycle(definition, state))


def _cycle(definition: Mapping[str, Any], start: str) -> list[str]:
    """Return the shortest way from a state back to it, without it at the end."""
    following: dict[str, list[str]] = {}
    for one, other in machine_runs.transitions(definition):
        following.setdefault(one, []).append(other)
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for target in sorted(following.get(way[-1], [])):
            if target == start:
                return way
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def _hyperparameters() -> Proof:
    """The code refuses what SageMaker would refuse."""
    longest = shapes.longest_hyperparameter()
    problems = []
    if longest != names.LONGEST_HYPERPARAMETER:
        problems.append(
            f"SageMaker takes {longest} characters, names.py lets through no more than "
            f"{names.LONGEST_HYPERPARAMETER}"
        )
    how = f"values of at most {longest} characters, as botocore's model says"
    return proof(AREA, "hyperparameters that are too long are refused", how, 1, problems)
