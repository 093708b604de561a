"""The records of the model registry, as its Describe and List operations show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from localcloud.sagemaker_api import Document, Parameters, timestamp, without_nothing
from localcloud.sagemaker_events import tags_of
from localcloud.sagemaker_validation import kept_members
from localcloud.timestamps import iso_seconds

_CREATOR: Document = {"IamIdentity": {}}
_REPLACED_BY_UPDATE = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)
_EVENT_MEMBERS = (
    "ModelPackageGroupName",
    "ModelPackageName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelPackageStatusDetails",
    "CertifyForMarketplace",
    "ModelApprovalStatus",
    "ApprovalDescription",
    "MetadataProperties",
    "ModelMetrics",
    "CustomerMetadataProperties",
    "ModelLifeCycle",
    "SourceUri",
)


class PackageGroup:
    """A model package group and the number of its last version."""

    def __init__(self, name: str, arn: str, request: Parameters) -> None:
        """A new group has no versions."""
        self.name = name
        self.arn = arn
        self.request = request
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.creation_time = self.last_modified_time = timestamp()
        self.status = "Completed"
        self.last_version = 0

    def describe(self) -> Document:
        """Return the answer of DescribeModelPackageGroup."""
        return {
            **kept_members("DescribeModelPackageGroup", self.request),
            **self.summary(),
            "CreatedBy": _CREATOR,
        }

    def summary(self) -> Document:
        """Return the group's entry in ListModelPackageGroups."""
        return without_nothing(
            {
                "ModelPackageGroupName": self.name,
                "ModelPackageGroupArn": self.arn,
                "ModelPackageGroupDescription": self.request.get("ModelPackageGroupDescription"),
                "CreationTime": self.creation_time,
                "ModelPackageGroupStatus": self.status,
            }
        )


class Package:
    """A model package: a version of a group, or one with a name of its own."""

    def __init__(
        self, name: str, arn: str, request: Parameters, group: str | None, version: int | None
    ) -> None:
        """A version waits for approval unless ``request`` says otherwise."""
        self.name = name
        self.arn = arn
        self.group = group
        self.version = version
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.creation_time: datetime = timestamp()
        self.last_modified_time: datetime = self.creation_time
        self.status = "Completed"
        self._modified = False
        self._members = {"CertifyForMarketplace": False, **request}
        if group is not None:
            self._members.setdefault("ModelApprovalStatus", "PendingManualApproval")

    @property
    def approval(self) -> str | None:
        """Approved, Rejected or PendingManualApproval; None without a group."""
        approval: str | None = self._members.get("ModelApprovalStatus")
        return approval

    @property
    def first_container(self) -> Document:
        """The container to serve the package with; empty when the package has none."""
        containers = self._members.get("InferenceSpecification", {}).get("Containers", [{}])
        return dict(containers[0])

    def update(self, request: Parameters) -> list[str]:
        """Apply UpdateModelPackage; return the names of the members it touched.

        Metadata properties are merged: AWS has a member of its own to remove some.
        """
        for member in _REPLACED_BY_UPDATE:
            if member in request:
                self._members[member] = request[member]
        properties = {
            **self._members.get("CustomerMetadataProperties", {}),
            **request.get("CustomerMetadataProperties", {}),
        }
        for key in request.get("CustomerMetadataPropertiesToRemove", []):
            properties.pop(key, None)
        self._put("CustomerMetadataProperties", properties)
        added = request.get("AdditionalInferenceSpecificationsToAdd", [])
        known = self._members.get("AdditionalInferenceSpecifications", [])
        self._put("AdditionalInferenceSpecifications", [*known, *added])
        self._modified = True
        self.last_modified_time = timestamp()
        return [name for name in request if name not in ("ModelPackageArn", "ClientToken")]

    def describe(self) -> Document:
        """Return the answer of DescribeModelPackage."""
        status = {"Name": self.arn, "Status": "NotStarted"}
        return without_nothing(
            {
                **kept_members("DescribeModelPackage", self._members),
                **self.summary(),
                "ModelPackageStatusDetails": {
                    "ValidationStatuses": [],
                    "ImageScanStatuses": [status],
                },
                "CreatedBy": _CREATOR,
                "LastModifiedTime": self.last_modified_time if self._modified else None,
                "LastModifiedBy": _CREATOR if self._modified else None,
            }
        )

    def summary(self) -> Document:
        """Return the package's entry in ListModelPackages."""
        return without_nothing(
            {
                "ModelPackageName": self.name if self.group is None else None,
                "ModelPackageGroupName": self.group,
                "ModelPackageVersion": self.version,
                "ModelPackageArn": self.arn,
                "ModelPackageDescription": self._members.get("ModelPackageDescription"),
                "CreationTime": self.creation_time,
                "ModelPackageStatus": self.status,
                "ModelApprovalStatus": self.approval,
                "ModelLifeCycle": self._members.get("ModelLifeCycle"),
                "ModelPackageRegistrationType": self._members.get("ModelPackageRegistrationType"),
            }
        )

    def event_detail(self, updated: list[str] | None) -> Document:
        """Return the detail of the state-change event; ``updated`` is None for a creation."""
        described = self.describe()
        return {
            **{name: described[name] for name in _EVENT_MEMBERS if name in described},
            "CreationTime": iso_seconds(self.creation_time),
            "LastModifiedTime": iso_seconds(self.last_modified_time),
            "UpdatedModelPackageFields": updated,
            "Tags": tags_of(self.tags),
        }

    def _put(self, member: str, value: Mapping[str, str] | Sequence[Document]) -> None:
        """AWS answers without a member that has become empty."""
        self._members.pop(member, None)
        if value:
            self._members[member] = value
