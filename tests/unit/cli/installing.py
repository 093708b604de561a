"""An AWS account in moto, ready to install into; what moto lacks is answered as AWS would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.stub import Stubber

from ocr_retrain.installation.account import Account
from ocr_retrain.installation.sources import Image
from ocr_retrain.installation.stacks import DeployedStack

REGION, NUMBER = "eu-west-1", "123456789012"
QUOTAS = {
    "ml.g5.xlarge for training job usage": 1,
    "ml.g5.xlarge for spot training job usage": 1,
    "ml.c5.2xlarge for processing job usage": 4,
    "ml.g4dn.xlarge for endpoint usage": 2,
}


def make_account(session: boto3.Session) -> Account:
    return Account(session, NUMBER, REGION, f"arn:aws:iam::{NUMBER}:user/ops")


def answer_quotas(
    account: Account,
    quotas: Mapping[str, float],
    asked: Sequence[tuple[str, float]] = (),
    times: int = 1,
) -> None:
    """Let Service Quotas answer; botocore checks every request and answer against its shapes."""
    stub = Stubber(account.quotas)
    listed = [
        {"QuotaName": name, "QuotaCode": f"L-{number:08}", "Value": float(value)}
        for number, (name, value) in enumerate(quotas.items())
    ]
    default = {"QuotaName": "ml.g5.xlarge for endpoint usage", "QuotaCode": "L-99", "Value": 0.0}
    for _ in range(times):
        service = {"ServiceCode": "sagemaker"}
        stub.add_response("list_aws_default_service_quotas", {"Quotas": [default]}, service)
        half = len(listed) // 2
        stub.add_response(
            "list_service_quotas", {"Quotas": listed[:half], "NextToken": "more"}, service
        )
        stub.add_response(
            "list_service_quotas", {"Quotas": listed[half:]}, {**service, "NextToken": "more"}
        )
        stub.add_response(
            "list_requested_service_quota_change_history",
            {
                "RequestedQuotas": [
                    {"QuotaName": name, "DesiredValue": value, "Status": "PENDING"}
                    for name, value in asked
                ]
            },
            service,
        )
    stub.activate()


def push(account: Account, image: Image, tag: str, prefix: str = "ocr-retrain") -> str:
    """Put an image into the registry and return its digest."""
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 7,
            "digest": f"sha256:{tag.encode().hex():0<64.64}",
        },
        "layers": [],
    }
    stored = account.ecr.put_image(
        repositoryName=f"{prefix}/{image}", imageManifest=json.dumps(manifest), imageTag=tag
    )
    return stored["image"]["imageId"]["imageDigest"]


def make_registry(account: Account, prefix: str = "ocr-retrain") -> DeployedStack:
    """Make what images.yaml describes, and return the stack that a deployment would find."""
    for image in Image:
        account.ecr.create_repository(
            repositoryName=f"{prefix}/{image}", imageTagMutability="IMMUTABLE"
        )
    bucket, group = "image-sources", f"/aws/codebuild/{prefix}-images"
    account.s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    account.logs.create_log_group(logGroupName=group)
    account.codebuild.create_project(
        name=f"{prefix}-images",
        source={"type": "S3", "location": f"{bucket}/sources/none.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_MEDIUM",
        },
        serviceRole=f"arn:aws:iam::{NUMBER}:role/build",
    )
    return DeployedStack(
        name="ocr-retrain-images",
        status="CREATE_COMPLETE",
        parameters={"Prefix": prefix, "Device": "gpu"},
        outputs={
            "Prefix": prefix,
            "SourceBucketName": bucket,
            "BuildProjectName": f"{prefix}-images",
            "BuildLogGroupName": group,
        },
    )
