"""What a pipeline has to know of the stack whose functions and images it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from retraining.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class StackError(Exception):
    """The stack is not there, or makes no pipeline; the message says what to do."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack: sizes in gigabytes, limits in seconds.

    ``made_from`` names all of it that a pipeline depends on, in the stack's own words.
    ``settings`` are read as the stack's functions read theirs. ``instances`` train together.
    """

    settings: Settings
    region: str
    partition: str
    account: str
    made_from: str
    job_role: str
    pipeline_role: str
    training_image: str
    instances: int
    kept_alive: int
    input_mode: str
    encrypts_traffic: bool
    volume: int
    use_spot: bool
    most_training: int
    most_evaluation: int

    @property
    def prefix(self) -> str:
        """What begins the name of everything, and names the pipeline."""
        return self.settings.prefix

    def function(self, name: str) -> str:
        """Give the ARN of one of the stack's functions."""
        place = f"{self.partition}:lambda:{self.region}:{self.account}"
        return f"arn:{place}:function:{self.prefix}-{name}"


def read_stack(cloudformation: CloudFormationClient, name: str) -> Stack:
    """Look the stack up.

    Raises StackError when there is none, or when it was deployed without a pipeline's parts.
    """
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            raise StackError(
                f"There is no stack {name}: `ocr-retrain deploy` makes it, --stack names another."
            ) from error
        raise
    parameters = {
        each.get("ParameterKey", ""): each.get("ParameterValue", "")
        for each in found.get("Parameters", [])
    }
    outputs = {
        each.get("OutputKey", ""): each.get("OutputValue", "") for each in found.get("Outputs", [])
    }
    if not outputs.get("PipelineRoleArn"):
        raise StackError(
            f"Stack {name} has no role for a pipeline: "
            "`ocr-retrain deploy --parameter StudioPipeline=true` adds it."
        )
    return stack_of(parameters, outputs)


def stack_of(parameters: Mapping[str, str], outputs: Mapping[str, str]) -> Stack:
    """Read the values of a stack's parameters and outputs; raises KeyError without one of them."""
    _, partition, _, region, account, *_ = outputs["RetrainStateMachineArn"].split(":")
    return Stack(
        settings=Settings.from_environment(
            {
                "PREFIX": outputs["Prefix"],
                "BUCKET": outputs["BucketName"],
                "TABLE": outputs["TableName"],
                "MODEL_PACKAGE_GROUP": outputs["ModelPackageGroupName"],
                "ENDPOINT_NAME": outputs["EndpointName"],
                "TRAINING_INSTANCE_TYPE": parameters["TrainingInstanceType"],
                "EVALUATION_INSTANCE_TYPE": parameters["EvaluationInstanceType"],
                "HYPERPARAMETERS": parameters["Hyperparameters"],
                "KMS_KEY_ARN": parameters["KmsKeyArn"],
                "VPC_SUBNET_IDS": parameters["VpcSubnetIds"],
                "VPC_SECURITY_GROUP_IDS": parameters["VpcSecurityGroupIds"],
            }
        ),
        region=region,
        partition=partition,
        account=account,
        made_from=outputs["PipelineMadeFrom"],
        job_role=outputs["JobRoleArn"],
        pipeline_role=outputs["PipelineRoleArn"],
        training_image=parameters["TrainingImageUri"],
        instances=int(parameters["TrainingInstanceCount"]),
        kept_alive=int(parameters["TrainingKeepAliveSeconds"]),
        input_mode=parameters["TrainingInputMode"],
        encrypts_traffic=parameters["EncryptTrainingTraffic"] == "true",
        volume=int(parameters["TrainingVolumeGigabytes"]),
        use_spot=parameters["UseSpotTraining"] == "true",
        most_training=int(parameters["MaxTrainingSeconds"]),
        most_evaluation=int(parameters["MaxEvaluationSeconds"]),
    )
