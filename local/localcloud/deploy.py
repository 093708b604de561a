"""Deploy template.yaml into a running local cloud: build, package, transform, create the stack."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

from localcloud.build_store import BuildStore
from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.packaging import package
from localcloud.sam_build import build_functions
from localcloud.sam_template import function_sources, read_template, resolve_parameters
from localcloud.untyped import Client

STACK_NAME = "ocr-retrain"
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class DeployError(RuntimeError):
    """The stack could not be created completely."""


@dataclass(frozen=True)
class Application:
    """What is deployed: the template, its parameters' values and its functions' archives."""

    file: Path
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    archives: Mapping[str, Path]


def build(
    repo: Path, parameters: Mapping[str, str], on_progress: Callable[[str], None]
) -> Application:
    """Check the parameters and build the functions; needs no running cloud.

    ``parameters`` override local/parameters.yaml, which overrides the template's defaults. Raises
    BuildError, TemplateError or ParameterError.
    """
    file = repo / "template.yaml"
    template = read_template(file)
    values = resolve_parameters(template, {**local_parameters(repo), **parameters})
    store = BuildStore(repo / ".cache" / "local-cloud" / "builds")
    archives = build_functions(repo, file, function_sources(template), store, on_progress)
    return Application(file, template, values, archives)


def deploy(
    context: CloudContext, application: Application, on_progress: Callable[[str], None]
) -> dict[str, str]:
    """Create the stack and return its outputs; raises DeployError or TemplateError."""
    clients = Clients.of(context)
    on_progress("packaging")
    packaged = package(
        application.template, application.file.parent, application.archives, clients.get("s3")
    )
    transformed = _transform(packaged, application.parameters, context)
    on_progress(f"creating {len(transformed['Resources'])} resources")
    return _create_stack(transformed, application.parameters, clients)


def local_parameters(repo: Path) -> dict[str, str]:
    """Return local/parameters.yaml as text values; nothing when the file is not there."""
    file = repo / "local" / "parameters.yaml"
    if not file.exists():
        return {}
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return {str(name): _as_text(value) for name, value in content.items()}


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _ManagedPolicies:
    """Names of AWS's managed policies; SAM would ask IAM for all of them."""

    def load(self) -> dict[str, str]:
        names = ("AWSXRayDaemonWriteAccess", "AWSXrayWriteOnlyAccess")
        roles = ("AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole")
        return {
            **{name: f"arn:aws:iam::aws:policy/{name}" for name in names},
            **{name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in roles},
        }


def _transform(
    template: dict[str, Any], values: Mapping[str, str], context: CloudContext
) -> dict[str, Any]:
    # The translator asks boto3 for the region.
    os.environ.setdefault("AWS_DEFAULT_REGION", context.region)
    pseudo = {
        "AWS::AccountId": context.account_id,
        "AWS::Partition": "aws",
        "AWS::Region": context.region,
        "AWS::StackName": STACK_NAME,
    }
    try:
        transformed = transform(template, {**values, **pseudo}, _ManagedPolicies())
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise DeployError(f"The SAM transform refuses template.yaml: {causes}") from error
    for declaration in transformed.get("Parameters", {}).values():
        # CloudFormation hands numbers on as the text that was given; moto would make them floats.
        if declaration.get("Type") == "Number":
            declaration["Type"] = "String"
    return dict(transformed)


def _create_stack(
    template: dict[str, Any], values: Mapping[str, str], clients: Clients
) -> dict[str, str]:
    cloudformation = clients.get("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=STACK_NAME,
            TemplateBody=json.dumps(template, default=str),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value} for name, value in values.items()
            ],
            Capabilities=_CAPABILITIES,
        )
        # Outputs are evaluated only now.
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    except ClientError as error:
        raise DeployError(error.response["Error"]["Message"]) from error
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise DeployError(
            f"The stack is {stack['StackStatus']}: {stack.get('StackStatusReason', 'no reason')}"
        )
    _require_all(template, cloudformation)
    return {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}


def _require_all(template: Mapping[str, Any], cloudformation: Client) -> None:
    """Raise DeployError when a resource without a condition was not created."""
    created = {
        summary["LogicalResourceId"]
        for page in cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=STACK_NAME
        )
        for summary in page["StackResourceSummaries"]
        if summary.get("PhysicalResourceId")
    }
    missing = sorted(
        f"{logical_id} ({resource['Type']})"
        for logical_id, resource in template["Resources"].items()
        if logical_id not in created and "Condition" not in resource
    )
    if missing:
        raise DeployError(f"The stack lacks {', '.join(missing)}.")
