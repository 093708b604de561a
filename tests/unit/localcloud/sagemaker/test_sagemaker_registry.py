"""The model registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import BUCKET, IMAGE, Cloud, unique, wait_for

Bus = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def group(cloud: Cloud) -> str:
    name = unique("group")
    cloud.sagemaker.create_model_package_group(
        ModelPackageGroupName=name, ModelPackageGroupDescription="Recognizers"
    )
    return name


def register(cloud: Cloud, group: str, **members: Any) -> str:  # noqa: ANN401
    request = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        **members,
    }
    arn: str = cloud.sagemaker.create_model_package(**request)["ModelPackageArn"]
    return arn


def versions(answer: dict[str, Any]) -> list[int]:
    return [package["ModelPackageVersion"] for package in answer["ModelPackageSummaryList"]]


def test_package_keeps_everything_it_was_registered_with(cloud: Cloud, group: str) -> None:
    members = {
        "ModelPackageDescription": "Handwriting",
        "ModelApprovalStatus": "Approved",
        "MetadataProperties": {"GeneratedBy": "arn:aws:states:::execution:1"},
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/evaluation.json"}
            }
        },
        "CustomerMetadataProperties": {"run_id": "20260101-000000-abcdef"},
        "SourceUri": "s3://b/models/job",
        "Domain": "COMPUTER_VISION",
        "SkipModelValidation": "All",
    }
    arn = register(cloud, group, **members)
    package = cloud.sagemaker.describe_model_package(ModelPackageName=arn)
    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/1"
    for member, value in members.items():
        assert package[member] == value
    assert package["ModelPackageGroupName"] == group
    assert package["ModelPackageVersion"] == 1
    assert package["ModelPackageArn"] == arn
    assert package["ModelPackageStatus"] == "Completed"
    assert package["InferenceSpecification"]["Containers"][0]["Image"] == IMAGE
    assert "LastModifiedTime" not in package


def test_version_waits_for_approval_by_default(cloud: Cloud, group: str) -> None:
    package = cloud.sagemaker.describe_model_package(ModelPackageName=register(cloud, group))
    assert package["ModelApprovalStatus"] == "PendingManualApproval"


def test_same_client_token_registers_once(cloud: Cloud, group: str) -> None:
    token = unique("token")
    first = register(cloud, group, ClientToken=token)
    assert register(cloud, group, ClientToken=token) == first
    assert register(cloud, group) != first


def test_version_number_is_not_given_again_after_a_deletion(cloud: Cloud, group: str) -> None:
    register(cloud, group)
    second = register(cloud, group)
    cloud.sagemaker.delete_model_package(ModelPackageName=second)
    assert register(cloud, group).endswith("/3")
    with pytest.raises(ClientError, match=f"{second} does not exist"):
        cloud.sagemaker.describe_model_package(ModelPackageName=second)


def test_update_changes_what_it_names_and_keeps_the_rest(cloud: Cloud, group: str) -> None:
    arn = register(
        cloud,
        group,
        ModelPackageDescription="Handwriting",
        CustomerMetadataProperties={"run_id": "1", "old": "x"},
    )
    cloud.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="Better on all slices",
    )
    cloud.sagemaker.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"smoke_test": "passed"},
        CustomerMetadataPropertiesToRemove=["old"],
    )
    package = cloud.sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["ApprovalDescription"] == "Better on all slices"
    assert package["ModelPackageDescription"] == "Handwriting"
    assert package["CustomerMetadataProperties"] == {"run_id": "1", "smoke_test": "passed"}
    assert package["LastModifiedTime"] >= package["CreationTime"]


def test_filtered_listing_may_have_empty_pages(cloud: Cloud, group: str) -> None:
    register(cloud, group, ModelApprovalStatus="Approved")
    for _ in range(2):
        register(cloud, group, ModelApprovalStatus="Rejected")
    query = {
        "ModelPackageGroupName": group,
        "ModelApprovalStatus": "Approved",
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 1,
    }
    first = cloud.sagemaker.list_model_packages(**query)
    assert first["ModelPackageSummaryList"] == []
    second = cloud.sagemaker.list_model_packages(**query, NextToken=first["NextToken"])
    assert second["ModelPackageSummaryList"] == []
    third = cloud.sagemaker.list_model_packages(**query, NextToken=second["NextToken"])
    assert versions(third) == [1]
    assert "NextToken" not in third


def test_pages_hold_ten_packages_unless_told_otherwise(cloud: Cloud, group: str) -> None:
    for _ in range(12):
        register(cloud, group)
    first = cloud.sagemaker.list_model_packages(ModelPackageGroupName=group)
    assert versions(first) == list(range(1, 11))
    pages = cloud.sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortOrder="Descending"
    )
    assert [version for page in pages for version in versions(page)] == list(range(12, 0, -1))


def test_group_is_found_by_name_and_by_arn(cloud: Cloud, group: str) -> None:
    by_name = cloud.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    arn = by_name["ModelPackageGroupArn"]
    by_arn = cloud.sagemaker.describe_model_package_group(ModelPackageGroupName=arn)
    assert by_arn["ModelPackageGroupName"] == group
    assert by_arn["ModelPackageGroupDescription"] == "Recognizers"
    assert register(cloud, arn).endswith(f"{group}/1")
    assert versions(cloud.sagemaker.list_model_packages(ModelPackageGroupName=arn)) == [1]


def test_group_cannot_be_created_twice(cloud: Cloud, group: str) -> None:
    with pytest.raises(ClientError, match="Model Package Group already exists"):
        cloud.sagemaker.create_model_package_group(ModelPackageGroupName=group)


def test_group_with_versions_cannot_be_deleted(cloud: Cloud, group: str) -> None:
    arn = register(cloud, group)
    with pytest.raises(cloud.sagemaker.exceptions.ConflictException):
        cloud.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    cloud.sagemaker.delete_model_package(ModelPackageName=arn)
    cloud.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    listed = cloud.sagemaker.list_model_package_groups(NameContains=group)
    assert listed["ModelPackageGroupSummaryList"] == []


def test_missing_group_is_reported(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Model Package Group does not exist"):
        register(cloud, "never-was")
    with pytest.raises(ClientError, match="model-package-group/never-was does not exist"):
        cloud.sagemaker.describe_model_package_group(ModelPackageGroupName="never-was")


def test_packages_without_group_are_listed_apart(cloud: Cloud, group: str) -> None:
    register(cloud, group)
    name = unique("named")
    cloud.sagemaker.create_model_package(ModelPackageName=name)
    listed = cloud.sagemaker.list_model_packages(NameContains=name)["ModelPackageSummaryList"]
    assert [package["ModelPackageName"] for package in listed] == [name]


def test_creation_and_approval_are_announced(cloud: Cloud, group: str, bus: Bus) -> None:
    arn = register(
        cloud,
        group,
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties={"run_id": "1"},
    )
    cloud.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")

    def events() -> list[dict[str, Any]] | None:
        found = [event for event in bus() if event["resources"] == [arn]]
        return found if len(found) == 2 else None

    details = {
        event["detail"]["ModelApprovalStatus"]: event["detail"]
        for event in wait_for(events)
        if event["detail-type"] == "SageMaker Model Package State Change"
    }
    created, approved = details["PendingManualApproval"], details["Approved"]
    for detail in (created, approved):
        assert detail["ModelPackageGroupName"] == group
        assert detail["ModelPackageVersion"] == 1
        assert detail["ModelPackageArn"] == arn
        assert detail["ModelPackageStatus"] == "Completed"
        assert detail["CustomerMetadataProperties"] == {"run_id": "1"}
    assert "UpdatedModelPackageFields" not in created
    assert approved["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
