"""What the CLI knows about a deployed stack: its CloudFormation outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError
from retraining.opening_hours import OpeningHours

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


_OPTIONAL = {"endpoint_hours": "EndpointHours", "endpoint_time_zone": "EndpointTimeZone"}


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
    endpoint_hours: str = ""
    endpoint_time_zone: str = "UTC"

    def off_until(self, now: datetime) -> str:
        """Tell until when the endpoint is off by its hours, in a sentence; "" when it is on."""
        hours = OpeningHours.parse(self.endpoint_hours, self.endpoint_time_zone)
        return "" if hours is None or hours.is_open(now) else hours.sentence(now)

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
        optional = {
            field: outputs[output] for field, output in _OPTIONAL.items() if outputs.get(output)
        }
        required = {field: outputs[output] for field, output in _OUTPUTS.items()}
        return cls(name=name, **required, **optional)


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
