"""A CloudFormation template with its intrinsic functions replaced by what they come to.

Resources that do not exist get the names CloudFormation would give them, or the ``physical`` ones
of a deployed stack. See the CloudFormation user guide, "Intrinsic function reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

PARTITION, REGION, ACCOUNT, STACK = "aws", "us-east-1", "123456789012", "ocr-retrain"
NOTHING = {"Ref": "AWS::NoValue"}
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1",
    "AWS::URLSuffix": "amazonaws.com",
}
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
# Type -> property that names the resource, and its ARN with {name}.
_KINDS: dict[str, tuple[str, str]] = {
    "AWS::S3::Bucket": ("BucketName", "arn:{partition}:s3:::{name}"),
    "AWS::DynamoDB::Table": ("TableName", "dynamodb:{region}:{account}:table/{name}"),
    "AWS::SQS::Queue": ("QueueName", "sqs:{region}:{account}:{name}"),
    "AWS::SNS::Topic": ("TopicName", "sns:{region}:{account}:{name}"),
    "AWS::Lambda::Function": ("FunctionName", "lambda:{region}:{account}:function:{name}"),
    "AWS::StepFunctions::StateMachine": (
        "StateMachineName",
        "states:{region}:{account}:stateMachine:{name}",
    ),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{region}:{account}:log-group:{name}:*"),
    "AWS::IAM::Role": ("RoleName", "iam::{account}:role/{name}"),
    "AWS::Events::Rule": ("Name", "events:{region}:{account}:rule/{name}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch:{region}:{account}:alarm:{name}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch::{account}:dashboard/{name}"),
    "AWS::KMS::Key": ("", "kms:{region}:{account}:key/{name}"),
    "AWS::ECR::Repository": ("RepositoryName", "ecr:{region}:{account}:repository/{name}"),
    "AWS::CodeBuild::Project": ("Name", "codebuild:{region}:{account}:project/{name}"),
    "AWS::SageMaker::ModelPackageGroup": (
        "ModelPackageGroupName",
        "sagemaker:{region}:{account}:model-package-group/{name}",
    ),
}
_REF_IS_ARN = {
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
    "AWS::SageMaker::ModelPackageGroup",
}


class UnresolvedError(ValueError):
    """A reference leads nowhere, or this module does not know the function or attribute."""


class Resolver:
    """Resolves values of one template."""

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        physical: Mapping[str, str] | None = None,
    ) -> None:
        """Take a plain template, values of parameters without default, names of real resources."""
        self.template = template
        self._physical = physical or {}
        declared = template.get("Parameters", {})
        self.parameters = {
            name: str(parameters.get(name, declaration.get("Default", "")))
            for name, declaration in declared.items()
        }
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self.ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda given: str(given[0]).join(map(str, self.value(given[1]))),
            "Fn::Select": lambda given: self.value(given[1])[int(self.value(given[0]))],
            "Fn::Split": lambda given: str(self.value(given[1])).split(given[0]),
            "Fn::If": self._if,
        }

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources that are created, resolved."""
        return {
            name: {**resource, "Properties": self.value(resource.get("Properties", {}))}
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def value(self, value: Any) -> Any:  # noqa: ANN401 - any value of a template
        """Return the value with every function in it evaluated; raises UnresolvedError."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                name, given = next(iter(value.items()))
                if name == "Ref" or name.startswith("Fn::"):
                    return self._call(name, given)
            items = {key: self.value(item) for key, item in value.items() if item != NOTHING}
            return {key: item for key, item in items.items() if item is not None}
        if isinstance(value, list):
            return [item for item in map(self.value, value) if item is not None]
        return value

    def condition(self, value: Any) -> bool:  # noqa: ANN401 - a name or a condition function
        """Evaluate a condition by its name or function."""
        if isinstance(value, str):
            return self.condition(self.template["Conditions"][value])
        (name, given), *_ = value.items()
        if name == "Condition":
            return self.condition(given)
        if name == "Fn::Equals":
            left, right = map(self.value, given)
            return str(left) == str(right)
        if name == "Fn::Not":
            return not self.condition(given[0])
        if name in ("Fn::And", "Fn::Or"):
            return (all if name == "Fn::And" else any)(map(self.condition, given))
        raise UnresolvedError(f"the condition function {name} is not known to tools/prove")

    def ref(self, name: str) -> Any:  # noqa: ANN401 - lists have references, too
        """Return what ``Ref`` gives; None for AWS::NoValue."""
        if name == "AWS::NoValue":
            return None
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.parameters:
            kind = self.template["Parameters"][name].get("Type", "String")
            value = self.parameters[name]
            is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
            return [item for item in value.split(",") if item] if is_list else value
        resource = self._resource(name)
        if resource["Type"] in _REF_IS_ARN:
            return self.arn(name)
        if resource["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(name)}"
        return self.name(name)

    def arn(self, logical_id: str) -> str:
        """Return a resource's ARN; raises UnresolvedError for a type without a known form."""
        kind = self._resource(logical_id)["Type"]
        if kind not in _KINDS:
            raise UnresolvedError(f"{logical_id}: the ARN of {kind} is not known to tools/prove")
        form = _KINDS[kind][1]
        prefixed = form if form.startswith("arn:") else f"arn:{{partition}}:{form}"
        return prefixed.format(
            partition=PARTITION, region=REGION, account=ACCOUNT, name=self.name(logical_id)
        )

    def name(self, logical_id: str) -> str:
        """Return a resource's name: given, of the deployed stack, or as CloudFormation makes it."""
        resource = self._resource(logical_id)
        named_by = _KINDS.get(resource["Type"], ("", ""))[0]
        given = resource.get("Properties", {}).get(named_by)
        if given is not None:
            return str(self.value(given))
        physical = self._physical.get(logical_id)
        if physical is not None:
            return re.split(r"[:/]", physical)[-1]
        made = f"{STACK}-{logical_id}-ABCDEFGHIJKL"
        return made.lower() if resource["Type"] == "AWS::S3::Bucket" else made

    def _resource(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self.template["Resources"].get(name)
        if found is None:
            raise UnresolvedError(f"{name} is neither a parameter nor a resource")
        return found

    def _call(self, name: str, given: Any) -> Any:  # noqa: ANN401 - any function
        if name not in self._functions:
            raise UnresolvedError(f"the function {name} is not known to tools/prove")
        return self._functions[name](given)

    def _get_att(self, given: str | list[str]) -> Any:  # noqa: ANN401 - any attribute
        logical_id, attribute = given.split(".", 1) if isinstance(given, str) else given
        if attribute.endswith("Arn"):
            return self.arn(logical_id)
        if attribute.endswith("Name"):
            return self.name(logical_id)
        if attribute == "RepositoryUri":
            host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
            return f"{host}/{self.name(logical_id)}"
        self._resource(logical_id)
        return f"{logical_id}.{attribute}"

    def _sub(self, given: str | list[Any]) -> str:
        text, own = (given, {}) if isinstance(given, str) else given

        def replaced(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in own:
                return str(self.value(own[name]))
            return str(self._get_att(name) if "." in name else self.ref(name))

        return _VARIABLE.sub(replaced, text).replace("${!", "${")

    def _if(self, given: list[Any]) -> Any:  # noqa: ANN401 - any value
        condition, then, otherwise = given
        return self.value(then if self.condition(condition) else otherwise)
