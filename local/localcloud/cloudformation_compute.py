"""CloudFormation resource types that run: Lambda, Step Functions, roles, model registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import yaml

from localcloud.cloudformation import Created, Order, ResourceError, ResourceType
from localcloud.untyped import Json

_RUNTIME = "python3.11"
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")


def _create_function(order: Order) -> Created:
    properties = dict(order.properties)
    name = str(properties.pop("FunctionName", order.generated_name))[:64]
    if properties.get("Runtime") != _RUNTIME:
        raise ResourceError(f"the local cloud runs {_RUNTIME}, not {properties.get('Runtime')}.")
    concurrency = properties.pop("ReservedConcurrentExecutions", None)
    answer = order.call(
        "lambda",
        "CreateFunction",
        FunctionName=name,
        **{**properties, "Tags": _tags(properties.pop("Tags", []))},
    )
    if concurrency is not None:
        order.call(
            "lambda",
            "PutFunctionConcurrency",
            FunctionName=name,
            ReservedConcurrentExecutions=concurrency,
        )
    return Created(name, {"Arn": answer["FunctionArn"]})


def _tags(tags: list[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _create_permission(order: Order) -> Created:
    statement = order.generated_name
    order.call("lambda", "AddPermission", StatementId=statement, **order.properties)
    return Created(statement)


def _create_event_source_mapping(order: Order) -> Created:
    answer = order.call("lambda", "CreateEventSourceMapping", **order.properties)
    return Created(answer["UUID"], {"Id": answer["UUID"]})


def _create_state_machine(order: Order) -> Created:
    properties = order.properties
    name = str(properties.get("StateMachineName", order.generated_name))[:80]
    answer = order.call(
        "stepfunctions",
        "CreateStateMachine",
        name=name,
        definition=json.dumps(_definition(order)),
        roleArn=properties["RoleArn"],
        type=properties.get("StateMachineType", "STANDARD"),
        tags=[{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])],
        **_lower("loggingConfiguration", properties.get("LoggingConfiguration")),
        **_lower("tracingConfiguration", properties.get("TracingConfiguration")),
    )
    arn = answer["stateMachineArn"]
    return Created(arn, {"Arn": arn, "Name": name})


def _lower(name: str, configuration: Json) -> dict[str, Json]:
    return {} if configuration is None else {name: _lower_keys(configuration)}


def _lower_keys(value: Json) -> Json:
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _lower_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_lower_keys(item) for item in value]
    return value


def _definition(order: Order) -> Json:
    """Return the definition with its substitutions; CloudFormation takes YAML and JSON alike."""
    properties = order.properties
    if "DefinitionS3Location" in properties:
        location = properties["DefinitionS3Location"]
        body = order.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"])["Body"]
        text = body.read().decode()
    elif "DefinitionString" in properties:
        text = str(properties["DefinitionString"])
    else:
        text = json.dumps(properties["Definition"])
    substitutions = properties.get("DefinitionSubstitutions") or {}
    missing = sorted(set(_PLACEHOLDER.findall(text)) - set(substitutions))
    if missing:
        raise ResourceError(f"its definition uses {', '.join(missing)} without a substitution.")
    return yaml.safe_load(
        _PLACEHOLDER.sub(lambda match: _substitute(substitutions[match.group(1)]), text)
    )


def _substitute(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _create_role(order: Order) -> Created:
    properties = order.properties
    name = str(properties.get("RoleName", order.generated_name))
    if len(name) > 64:
        name = f"{name[:51]}-{name[-12:]}"
    role = order.call(
        "iam",
        "CreateRole",
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
        Description=properties.get("Description", ""),
        Tags=properties.get("Tags", []),
    )["Role"]
    for policy in properties.get("Policies", []):
        order.call(
            "iam",
            "PutRolePolicy",
            RoleName=name,
            PolicyName=policy["PolicyName"],
            # SAM leaves the version out, which IAM allows and moto does not.
            PolicyDocument=json.dumps(_made({"Version": "2012-10-17", **policy["PolicyDocument"]})),
        )
    for arn in properties.get("ManagedPolicyArns", []):
        order.call("iam", "AttachRolePolicy", RoleName=name, PolicyArn=arn)
    return Created(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _made(document: Mapping[str, Json]) -> dict[str, Json]:
    """Leave out the statements that a condition leaves out: moto keeps a place for them."""
    statements = [each for each in document["Statement"] if each is not None]
    return {**document, "Statement": statements}


def _create_policy(order: Order) -> Created:
    properties = order.properties
    for role in properties["Roles"]:
        order.call(
            "iam",
            "PutRolePolicy",
            RoleName=role,
            PolicyName=properties["PolicyName"],
            PolicyDocument=json.dumps(_made(properties["PolicyDocument"])),
        )
    return Created(order.generated_name)


def _create_model_package_group(order: Order) -> Created:
    answer = order.call("sagemaker", "CreateModelPackageGroup", **order.properties)
    arn = answer["ModelPackageGroupArn"]
    return Created(arn, {"ModelPackageGroupArn": arn})


TYPES = (
    ResourceType(
        "AWS::Lambda::Function",
        frozenset(
            {
                "Architectures",
                "Code",
                "Description",
                "Environment",
                "EphemeralStorage",
                "FunctionName",
                "Handler",
                "LoggingConfig",
                "MemorySize",
                "ReservedConcurrentExecutions",
                "Role",
                "Runtime",
                "Tags",
                "Timeout",
                "TracingConfig",
            }
        ),
        _create_function,
    ),
    ResourceType(
        "AWS::Lambda::Permission",
        frozenset({"Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"}),
        _create_permission,
    ),
    ResourceType(
        "AWS::Lambda::EventSourceMapping",
        frozenset(
            {
                "BatchSize",
                "Enabled",
                "EventSourceArn",
                "FilterCriteria",
                "FunctionName",
                "FunctionResponseTypes",
                "MaximumBatchingWindowInSeconds",
                "ScalingConfig",
            }
        ),
        _create_event_source_mapping,
    ),
    ResourceType(
        "AWS::StepFunctions::StateMachine",
        frozenset(
            {
                "Definition",
                "DefinitionS3Location",
                "DefinitionString",
                "DefinitionSubstitutions",
                "LoggingConfiguration",
                "RoleArn",
                "StateMachineName",
                "StateMachineType",
                "Tags",
                "TracingConfiguration",
            }
        ),
        _create_state_machine,
    ),
    ResourceType(
        "AWS::IAM::Role",
        frozenset(
            {
                "AssumeRolePolicyDocument",
                "Description",
                "ManagedPolicyArns",
                "Policies",
                "RoleName",
                "Tags",
            }
        ),
        _create_role,
    ),
    ResourceType(
        "AWS::IAM::Policy", frozenset({"PolicyDocument", "PolicyName", "Roles"}), _create_policy
    ),
    ResourceType(
        "AWS::SageMaker::ModelPackageGroup",
        frozenset({"ModelPackageGroupName", "ModelPackageGroupDescription", "Tags"}),
        _create_model_package_group,
    ),
)
