"""The AWS account that an installation goes to, as boto3 finds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ocr_retrain.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_stepfunctions import SFNClient

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 8},
    connect_timeout=10,
    read_timeout=60,
    user_agent_extra="ocr-retrain",
)
_GONE = (
    "ExecutionDoesNotExist",
    "NoSuchBucket",
    "NoSuchEntity",
    "ObjectNotFoundException",
    "RepositoryNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "StateMachineDoesNotExist",
)
_NOT_THERE = ("could not find", "cannot find", "does not exist", "no scalable target found")
_NO_CREDENTIALS = (
    "Run `aws configure`, or `aws sso login` and set AWS_PROFILE; `aws sts get-caller-identity` "
    "must answer."
)


class NoAccountError(UserError):
    """There are no credentials that AWS accepts; ``fix`` says what to do."""

    def __init__(self, problem: str, fix: str) -> None:
        """Keep both parts, and make one sentence of them."""
        super().__init__(f"{problem} {fix}")
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True)
class Account:
    """An AWS account and region, and the clients that talk to them."""

    session: boto3.Session
    number: str
    region: str
    caller: str

    @property
    def description(self) -> str:
        """Say which account this is."""
        return f"AWS account {self.number}, region {self.region}, as {self.caller}"

    @cached_property
    def autoscaling(self) -> ApplicationAutoScalingClient:
        """The Application Auto Scaling client."""
        return self.session.client("application-autoscaling", config=_CONFIG)

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """The CloudFormation client."""
        return self.session.client("cloudformation", config=_CONFIG)

    @cached_property
    def codebuild(self) -> CodeBuildClient:
        """The CodeBuild client."""
        return self.session.client("codebuild", config=_CONFIG)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """The DynamoDB client."""
        return self.session.client("dynamodb", config=_CONFIG)

    @cached_property
    def ec2(self) -> EC2Client:
        """The EC2 client."""
        return self.session.client("ec2", config=_CONFIG)

    @cached_property
    def ecr(self) -> ECRClient:
        """The ECR client."""
        return self.session.client("ecr", config=_CONFIG)

    @cached_property
    def iam(self) -> IAMClient:
        """The IAM client."""
        return self.session.client("iam", config=_CONFIG)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """The CloudWatch Logs client."""
        return self.session.client("logs", config=_CONFIG)

    @cached_property
    def quotas(self) -> ServiceQuotasClient:
        """The Service Quotas client."""
        return self.session.client("service-quotas", config=_CONFIG)

    @cached_property
    def s3(self) -> S3Client:
        """The S3 client."""
        return self.session.client("s3", config=_CONFIG)

    @cached_property
    def sagemaker(self) -> SageMakerClient:
        """The SageMaker client."""
        return self.session.client("sagemaker", config=_CONFIG)

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """The Step Functions client."""
        return self.session.client("stepfunctions", config=_CONFIG)


def connect_account(session: boto3.Session | None = None) -> Account:
    """Return the account that boto3's configuration means; raises NoAccountError."""
    try:
        found = session or boto3.Session()
        region = found.region_name
        if region is None:
            raise NoAccountError(
                "No AWS region is configured.",
                "Set AWS_DEFAULT_REGION, for example `export AWS_DEFAULT_REGION=us-east-1`.",
            )
        identity = found.client("sts", config=_CONFIG).get_caller_identity()
    except ClientError as error:
        message = error.response["Error"].get("Message", str(error))
        raise NoAccountError(
            f"AWS refuses these credentials: {message.rstrip('.')}.", _NO_CREDENTIALS
        ) from error
    except BotoCoreError as error:
        raise NoAccountError(f"{str(error).rstrip('.')}.", _NO_CREDENTIALS) from error
    return Account(found, identity["Account"], region, identity["Arn"])


def error_code(error: ClientError) -> str:
    """Return the code of a service's refusal."""
    return str(error.response["Error"].get("Code", ""))


def error_message(error: ClientError) -> str:
    """Return what a service says about its refusal."""
    return str(error.response["Error"].get("Message", ""))


def is_gone(error: ClientError) -> bool:
    """Tell whether a service refused because what was named does not exist."""
    # SageMaker says the same of a name that does not exist and of a request that is wrong.
    if error_code(error) == "ValidationException":
        said = error_message(error).lower()
        return any(words in said for words in _NOT_THERE)
    return error_code(error) in _GONE
