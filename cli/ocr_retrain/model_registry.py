"""The versions in the model package group, and which of them the endpoint serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import ListModelPackagesInputPaginateTypeDef

_MISSING = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")
_MAX_DESCRIPTION = 1024


class Approval(StrEnum):
    """The approval states of a model package."""

    APPROVED = "Approved"
    PENDING = "PendingManualApproval"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class ListedPackage:
    """What the list of a group tells of one version."""

    arn: str
    version: int
    approval: str


@dataclass(frozen=True)
class ModelVersion:
    """One version in the group; ``metadata`` are its customer metadata properties."""

    arn: str
    version: int
    approval: str
    created_at: datetime
    metadata: Mapping[str, str]
    note: str = ""
    model_data: str = ""


@dataclass(frozen=True)
class EndpointState:
    """What an endpoint does; ``package_arn`` is empty when its model is not from a registry."""

    status: str
    config: str
    package_arn: str


def list_packages(
    sagemaker: SageMakerClient,
    group: str,
    approval: Approval | None = None,
    limit: int | None = None,
) -> list[ListedPackage]:
    """Return the versions of ``group``, newest first: all, or those of one approval state."""
    request: ListModelPackagesInputPaginateTypeDef = {
        "ModelPackageGroupName": group,
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    if approval is not None:
        request["ModelApprovalStatus"] = approval.value
    if limit is not None:
        request["PaginationConfig"] = {"MaxItems": limit}
    pages = sagemaker.get_paginator("list_model_packages").paginate(**request)
    packages = [
        ListedPackage(
            arn=item["ModelPackageArn"],
            version=item.get("ModelPackageVersion", 0),
            approval=item.get("ModelApprovalStatus", ""),
        )
        for page in pages
        for item in page["ModelPackageSummaryList"]
    ]
    return sorted(packages, key=lambda package: package.version, reverse=True)


def list_versions(
    sagemaker: SageMakerClient,
    group: str,
    approval: Approval | None = None,
    limit: int | None = None,
) -> list[ModelVersion]:
    """Return the same as ``list_packages`` with everything that is known of each version."""
    packages = list_packages(sagemaker, group, approval, limit)
    return [describe_version(sagemaker, package.arn) for package in packages]


def describe_version(sagemaker: SageMakerClient, arn: str) -> ModelVersion:
    """Return one version by its ARN."""
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    return ModelVersion(
        arn=package["ModelPackageArn"],
        version=package.get("ModelPackageVersion", 0),
        approval=package.get("ModelApprovalStatus", ""),
        created_at=package["CreationTime"],
        metadata=package.get("CustomerMetadataProperties") or {},
        note=package.get("ApprovalDescription") or "",
        model_data=containers[0].get("ModelDataUrl", "") if containers else "",
    )


def find_package(packages: Sequence[ListedPackage], number: int) -> ListedPackage:
    """Return the version ``number``; raises UserError naming the ones there are."""
    for package in packages:
        if package.version == number:
            return package
    known = ", ".join(str(package.version) for package in packages) or "none"
    raise UserError(f"There is no version {number}; there are: {known}.")


def latest_approved(sagemaker: SageMakerClient, group: str) -> ListedPackage | None:
    """Return the newest approved version of ``group``, None when nothing is approved."""
    return next(iter(list_packages(sagemaker, group, Approval.APPROVED)), None)


def set_approval(
    sagemaker: SageMakerClient, package: ListedPackage, approval: Approval, note: str
) -> None:
    """Change a version's approval; EventBridge then starts the Deploy state machine."""
    sagemaker.update_model_package(
        ModelPackageArn=package.arn,
        ModelApprovalStatus=approval.value,
        ApprovalDescription=note[:_MAX_DESCRIPTION],
    )


def describe_endpoint(sagemaker: SageMakerClient, endpoint: str) -> EndpointState | None:
    """Return what the endpoint does, or None when there is none."""
    try:
        found = sagemaker.describe_endpoint(EndpointName=endpoint)
        config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
        variants = config["ProductionVariants"]
        model_name = variants[0].get("ModelName", "") if variants else ""
        package = _package_of(sagemaker, model_name) if model_name else ""
    except ClientError as error:
        if error.response["Error"].get("Code") in _MISSING:
            return None
        raise
    return EndpointState(found["EndpointStatus"], found["EndpointConfigName"], package)


def version_in(package_arn: str) -> int | None:
    """Return the version that an ARN ends with, None when it ends otherwise."""
    number = package_arn.rpartition("/")[2]
    return int(number) if number.isdecimal() else None


def _package_of(sagemaker: SageMakerClient, model_name: str) -> str:
    model = sagemaker.describe_model(ModelName=model_name)
    containers = [model.get("PrimaryContainer", {}), *model.get("Containers", [])]
    names = [container.get("ModelPackageName", "") for container in containers]
    return next((name for name in names if name), "")
