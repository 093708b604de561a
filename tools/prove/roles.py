"""Who may do what: the roles of the transformed template with everything attached to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from tools.prove.policies import Statement, statements
from tools.prove.resolved import Resolver


@dataclass(frozen=True)
class Role:
    """One role: its logical id and ARN, who uses it, who may assume it, what is allowed."""

    logical_id: str
    arn: str
    trust: Mapping[str, Any]
    policy: tuple[Statement, ...]


@dataclass(frozen=True)
class Roles:
    """All roles, and which function, state machine or service uses which of them."""

    by_id: Mapping[str, Role]
    of_function: Mapping[str, str]
    of_machine: Mapping[str, str]
    resource_denials: tuple[Statement, ...]

    def by_arn(self, arn: str) -> Role | None:
        """Return the role with this ARN."""
        return next((role for role in self.by_id.values() if role.arn == arn), None)


def read(resolver: Resolver) -> Roles:
    """Return the roles of a resolved template."""
    resources = resolver.resources()
    roles = {
        name: Role(
            name,
            resolver.arn(name),
            resource["Properties"]["AssumeRolePolicyDocument"],
            (
                *_statements(name, resource["Properties"]),
                *_attached(name, resolver.name(name), resources),
            ),
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    arns = {role.arn: name for name, role in roles.items()}
    functions, machines, denials = {}, {}, []
    for name, resource in resources.items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Lambda::Function":
            functions[resolver.name(name)] = arns[properties["Role"]]
        elif resource["Type"] == "AWS::StepFunctions::StateMachine":
            machines[resolver.arn(name)] = arns[properties["RoleArn"]]
        elif resource["Type"] == "AWS::S3::BucketPolicy":
            policy = statements(properties["PolicyDocument"], name)
            denials += [each for each in policy if each.effect == "Deny"]
    return Roles(roles, functions, machines, tuple(denials))


def _statements(role: str, properties: Mapping[str, Any]) -> Iterator[Statement]:
    for policy in properties.get("Policies", []):
        yield from statements(policy["PolicyDocument"], role)
    for arn in properties.get("ManagedPolicyArns", []):
        name = arn.rpartition("/")[2]
        yield from statements(managed_policy(name), f"{role}/{name}")


def _attached(
    role: str, role_name: str, resources: Mapping[str, Mapping[str, Any]]
) -> Iterator[Statement]:
    """Yield the statements of policies that are resources of their own."""
    for name, resource in resources.items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::Policy" and role_name in properties.get("Roles", []):
            yield from statements(properties["PolicyDocument"], f"{role}+{name}")


def managed_policy(name: str) -> dict[str, Any]:
    """Return the document of a policy that AWS manages; raises KeyError for an unknown one."""
    document: dict[str, Any] = _managed()[name]["Document"]
    return document


@cache
def _managed() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(aws_managed_policies_data)
    return loaded
