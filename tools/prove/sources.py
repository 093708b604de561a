"""The templates as CloudFormation gets them: SAM transformed, definitions inlined."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
from tools.prove.resolved import ACCOUNT, REGION, Resolver

from localcloud.deploy import local_parameters

ROOT = Path(__file__).resolve().parents[2]
MACHINES = {
    "RetrainStateMachine": "retrain",
    "DeployStateMachine": "deploy",
    "TranscribeStateMachine": "transcribe",
}
_FUNCTION = "AWS::Serverless::Function"
_MACHINE = "AWS::Serverless::StateMachine"


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class Machine:
    """A state machine: its definition with the substitutions filled in, and its role's id."""

    logical_id: str
    definition: dict[str, Any]
    role: str


@cache
def read(name: str) -> dict[str, Any]:
    """Return a template as it is written, intrinsic functions in long form."""
    parsed: dict[str, Any] = yaml_parse((ROOT / name).read_text(encoding="utf-8"))
    return parsed


@cache
def transformed() -> dict[str, Any]:
    """Return template.yaml as plain CloudFormation."""
    # samtranslator asks the AWS configuration for a region, whatever it is given.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = copy.deepcopy(read("template.yaml"))
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == _FUNCTION:
            properties["CodeUri"] = "s3://bucket/code.zip"
        if resource["Type"] == _MACHINE and "DefinitionUri" in properties:
            text = (ROOT / properties.pop("DefinitionUri")).read_text(encoding="utf-8")
            properties["Definition"] = yaml.safe_load(text)
    values = {"AWS::Region": "us-east-1", "AWS::Partition": "aws", "AWS::StackName": "prove"}
    plain: dict[str, Any] = transform(template, values, _NoManagedPolicies())
    return plain


def resolver(
    parameters: Mapping[str, str] | None = None, physical: Mapping[str, str] | None = None
) -> Resolver:
    """Return template.yaml resolved; parameters without a value get the local cloud's."""
    return Resolver(transformed(), {**local_parameters(ROOT), **(parameters or {})}, physical)


EVERYTHING_ON = {
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/of-a-customer",
    "VpcSubnetIds": "subnet-0123456789abcdef0",
    "VpcSecurityGroupIds": "sg-0123456789abcdef0",
    "DataCapturePercent": "10",
    "TranscriptionInputs": "arn:aws:s3:::scans/2026/*",
    "MonthlyBudget": "100",
    "NotificationEmail": "you@example.com",
}
"""Parameters that turn on what is off by default."""


def variants() -> list[Resolver]:
    """Return the template with its defaults, and with everything turned on."""
    return [resolver(), resolver(EVERYTHING_ON)]


def machines(resolver: Resolver) -> list[Machine]:
    """Return the state machines of a template with everything filled in."""
    found = []
    for logical_id, resource in resolver.resources().items():
        if resource["Type"] != "AWS::StepFunctions::StateMachine":
            continue
        properties = resource["Properties"]
        text = properties["DefinitionString"]
        for name, value in properties.get("DefinitionSubstitutions", {}).items():
            text = text.replace(f"${{{name}}}", str(value).replace('"', '\\"'))
        role = resolver.template["Resources"][logical_id]["Properties"]["RoleArn"]
        found.append(Machine(logical_id, json.loads(text), role["Fn::GetAtt"][0]))
    return found
