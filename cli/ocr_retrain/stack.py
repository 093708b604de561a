"""What the CLI knows about a deployed stack: its CloudFormation outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_OUTPUTS = {
    "bucket": "BucketName",
    "table": "TableName",
    "retrain_state_machine": "RetrainStateMachineArn",
    "deploy_state_machine": "DeployStateMachineArn",
    "transcribe_state_machine": "TranscribeStateMachineArn",
    "model_package_group": "ModelPackageGroupName",
    "endpoint": "EndpointName",
    "inference_image": "InferenceImageUri",
    "prefix": "Prefix",
}


@dataclass(frozen=True)
class Stack:
    """A deployed stack, by the names the commands need."""

    name: str
    bucket: str
    table: str
    retrain_state_machine: str
    deploy_state_machine: str
    transcribe_state_machine: str
    model_package_group: str
    endpoint: str
    inference_image: str
    prefix: str

    @property
    def start_function(self) -> str:
        """The function that starts runs."""
        return f"{self.prefix}-start-retraining"

    @classmethod
    def from_outputs(cls, name: str, outputs: Mapping[str, str]) -> Stack:
        """Build a stack from its outputs; raises UserError naming the ones that are missing."""
        missing = [output for output in _OUTPUTS.values() if not outputs.get(output)]
        if missing:
            raise UserError(
                f"Stack {name} has no output {', '.join(missing)}: "
                "deploy this repository's template.yaml again."
            )
        return cls(name=name, **{field: outputs[output] for field, output in _OUTPUTS.items()})


def read_stack(cloudformation: CloudFormationClient, name: str) -> Stack:
    """Return the stack ``name``; raises UserError when it does not exist or is incomplete."""
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            raise UserError(
                f"There is no stack {name} here: deploy it with `ocr-retrain deploy`, start a "
                "local one with `ocr-retrain local up`, or name another one with --stack."
            ) from error
        raise
    outputs = {
        output["OutputKey"]: output.get("OutputValue", "")
        for output in stacks[0].get("Outputs", [])
        if "OutputKey" in output
    }
    return Stack.from_outputs(name, outputs)
