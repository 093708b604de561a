"""May events reach their targets? Rules, queues, topics and alarms against resource policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tools.prove import roles, sources
from tools.prove.policies import Request, Statement, decide, statements
from tools.prove.proof import Proof, proof
from tools.prove.resolved import ACCOUNT, Resolver
from tools.prove.roles import Roles

AREA = "IAM"
_EVENTS = "events.amazonaws.com"


def proofs() -> list[Proof]:
    """Return whether every delivery and every use of a role is allowed."""
    resolver = sources.resolver()
    return [_delivered(resolver), _assumable(resolver)]


def _delivered(resolver: Resolver) -> Proof:
    known = roles.read(resolver)
    checks = 0
    problems: list[str] = []
    for name, resource in resolver.resources().items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Events::Rule":
            for target in properties.get("Targets", []):
                checks += 1
                problems += _to_target(resolver, known, name, target)
        elif resource["Type"] == "AWS::CloudWatch::Alarm":
            for arn in {*properties.get("AlarmActions", []), *properties.get("OKActions", [])}:
                checks += 1
                problems += _to_topic(resolver, name, arn)
    how = "policies of queues, topics and keys, Lambda permissions, roles of rules"
    return proof(
        AREA, "every rule reaches its target, every alarm its topic", how, checks, problems
    )


def _to_target(
    resolver: Resolver, known: Roles, rule: str, target: Mapping[str, Any]
) -> Iterator[str]:
    arn, source = str(target["Arn"]), resolver.arn(rule)
    service = arn.split(":")[2]
    context = {"aws:sourcearn": (source,), "aws:sourceaccount": (ACCOUNT,)}
    if service == "lambda":
        if not any(_permits(each, arn, source) for each in _permissions(resolver)):
            yield f"{rule}: no AWS::Lambda::Permission lets it invoke {arn}; add one"
    elif service == "sqs":
        policy = _policy(resolver, "AWS::SQS::QueuePolicy", _EVENTS)
        if not decide(policy, Request("sqs:SendMessage", arn, context)).allowed:
            yield f"{rule}: the queue's policy does not let it send to {arn}"
    elif service == "states":
        role = known.by_arn(str(target.get("RoleArn")))
        request = Request("states:StartExecution", arn)
        if role is None or not decide(role.policy, request).allowed:
            yield f"{rule}: its role does not let it start {arn}"
    else:
        yield f"{rule}: tools/prove/deliveries.py does not know how it reaches {arn}"


def _to_topic(resolver: Resolver, alarm: str, arn: str) -> Iterator[str]:
    service = "cloudwatch.amazonaws.com"
    context = {"aws:sourcearn": (resolver.arn(alarm),), "aws:sourceaccount": (ACCOUNT,)}
    policy = _policy(resolver, "AWS::SNS::TopicPolicy", service)
    if not decide(policy, Request("sns:Publish", arn, context)).allowed:
        yield f"{alarm}: the topic's policy does not let it publish to {arn}"
    topic = next(
        each
        for name, each in resolver.resources().items()
        if each["Type"] == "AWS::SNS::Topic" and resolver.arn(name) == arn
    )
    key = topic["Properties"].get("KmsMasterKeyId")
    for action in ("kms:Decrypt", "kms:GenerateDataKey") if key else ():
        if not decide(_key_policy(resolver, service), Request(action, str(key), context)).allowed:
            yield f"{alarm}: the topic's key does not let it use {action}"


def _permissions(resolver: Resolver) -> list[dict[str, Any]]:
    return [
        {**each["Properties"], "Target": _function_arn(resolver, each["Properties"])}
        for each in resolver.resources().values()
        if each["Type"] == "AWS::Lambda::Permission"
    ]


def _function_arn(resolver: Resolver, properties: Mapping[str, Any]) -> str:
    name = str(properties["FunctionName"])
    functions = {
        resolver.name(each): resolver.arn(each)
        for each, resource in resolver.resources().items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    return functions.get(name, name)


def _permits(permission: Mapping[str, Any], function: str, source: str) -> bool:
    return bool(
        permission["Target"] == function
        and permission["Principal"] == _EVENTS
        and permission["Action"] == "lambda:InvokeFunction"
        and permission.get("SourceArn", source) == source
    )


def _policy(resolver: Resolver, kind: str, service: str) -> list[Statement]:
    return [
        statement
        for name, resource in resolver.resources().items()
        if resource["Type"] == kind
        for statement in _of_service(resource["Properties"]["PolicyDocument"], name, service)
    ]


def _key_policy(resolver: Resolver, service: str) -> list[Statement]:
    return [
        # A key's policy means the key itself by *.
        statement
        for name, resource in resolver.resources().items()
        if resource["Type"] == "AWS::KMS::Key"
        for statement in _of_service(resource["Properties"]["KeyPolicy"], name, service)
    ]


def _of_service(document: Mapping[str, Any], origin: str, service: str) -> list[Statement]:
    given = [
        raw
        for raw in document["Statement"]
        if raw["Principal"] == "*" or service in _services(raw["Principal"])
    ]
    return statements({"Statement": given}, origin)


def _services(principal: Mapping[str, Any] | str) -> list[str]:
    named = principal.get("Service", []) if isinstance(principal, Mapping) else []
    return [named] if isinstance(named, str) else list(named)


def _assumable(resolver: Resolver) -> Proof:
    """Every role can be assumed by the service that uses it, and by no other."""
    known = roles.read(resolver)
    wanted = {
        **dict.fromkeys(known.of_function.values(), "lambda.amazonaws.com"),
        **dict.fromkeys(known.of_machine.values(), "states.amazonaws.com"),
    }
    for resource in resolver.resources().values():
        if resource["Type"] == "AWS::Events::Rule":
            for target in resource["Properties"].get("Targets", []):
                role = known.by_arn(str(target.get("RoleArn")))
                if role is not None:
                    wanted[role.logical_id] = _EVENTS
    problems = []
    for name, role in known.by_id.items():
        services = {
            service
            for raw in role.trust["Statement"]
            for service in _services(raw["Principal"])
            if raw["Effect"] == "Allow"
        }
        expected = wanted.get(name, "sagemaker.amazonaws.com")
        if services != {expected}:
            problems.append(f"{name}: trusts {sorted(services)}, is used by {expected}")
    how = "trust policies against who uses the role"
    return proof(AREA, "every role is trusted to its user alone", how, len(known.by_id), problems)
