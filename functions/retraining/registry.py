"""The model registry: which model is the champion, and how a candidate gets into it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining.endpoint import is_missing
from retraining.package_request import (
    APPROVED,
    SMOKE_TESTED,
    Approval,
    Candidate,
    create_request,
    description_prefix,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import ModelApprovalStatusType
    from mypy_boto3_sagemaker.type_defs import ModelPackageSummaryTypeDef

_UNUSABLE = frozenset({"Failed", "Deleting"})
# How often a package may be deleted while one looks for the newest.
_DELETIONS_MEANWHILE = 5


class NoChampionError(Exception):
    """There is no approved model to start from."""


@dataclass(frozen=True)
class Package:
    """A model package. ``metadata`` are its CustomerMetadataProperties."""

    arn: str
    version: int
    approval_status: str
    approval_description: str
    model_data: str
    created_at: datetime
    metadata: Mapping[str, str]

    @property
    def dictionary_uri(self) -> str:
        """Where the model's characters lie, or "" when nobody has said."""
        return self.metadata.get("dictionary_uri", "")


class Registry:
    """One model package group."""

    def __init__(self, client: "SageMakerClient", group: str) -> None:
        """Work on the given group."""
        self._client = client
        self.group = group

    def latest_approved(self) -> Package | None:
        """Tell the champion: the Approved package of the highest version."""
        for _ in range(_DELETIONS_MEANWHILE):
            newest = self._newest_approved()
            if newest is None:
                return None
            try:
                return self.describe(newest)
            except ClientError as error:
                # Deleted between the list and the look; the next list is without it.
                if not is_missing(error):
                    raise
        return None

    def is_only_approved(self, arn: str) -> bool:
        """Tell whether no other package could be the champion in its place."""
        return all(each["ModelPackageArn"] == arn for each in self._usable())

    def _usable(self) -> Iterator["ModelPackageSummaryTypeDef"]:
        return (
            each
            for each in self._newest_first(APPROVED)
            if each.get("ModelPackageStatus") not in _UNUSABLE
        )

    def _newest_approved(self) -> str | None:
        usable = self._usable()
        # The service sorts by time; two packages of one moment are told apart by version.
        first = next(usable, None)
        if first is None:
            return None
        same_time = [first]
        for each in usable:
            if each["CreationTime"] != first["CreationTime"]:
                break
            same_time.append(each)
        newest = max(same_time, key=lambda each: each.get("ModelPackageVersion", 0))
        return newest["ModelPackageArn"]

    def champion(self) -> Package:
        """Tell the champion.

        Raises NoChampionError when no package is Approved.
        """
        found = self.latest_approved()
        if found is None:
            raise NoChampionError(
                f"No approved model in group {self.group}. Run `ocr-retrain bootstrap` first."
            )
        return found

    def describe(self, arn: str) -> Package:
        """Look one package up."""
        found = self._client.describe_model_package(ModelPackageName=arn)
        containers = found.get("InferenceSpecification", {}).get("Containers", [])
        return Package(
            arn=found["ModelPackageArn"],
            version=found.get("ModelPackageVersion", 0),
            approval_status=found.get("ModelApprovalStatus", ""),
            approval_description=found.get("ApprovalDescription", ""),
            model_data=containers[0].get("ModelDataUrl", "") if containers else "",
            created_at=found["CreationTime"],
            metadata=found.get("CustomerMetadataProperties", {}),
        )

    def metadata(self, arn: str) -> Mapping[str, str]:
        """Tell a package's properties; none of one that was not named or is deleted."""
        if not arn:
            return {}
        try:
            return self.describe(arn).metadata
        except ClientError as error:
            if not is_missing(error):
                raise
            return {}

    def register(self, candidate: Candidate, approval: Approval) -> Package:
        """Register a candidate with the decision on it; doing so again changes nothing."""
        package = self._of_run(candidate.run_id)
        if package is None:
            request: Any = create_request(self.group, candidate, approval.status)
            package = self.describe(self._client.create_model_package(**request)["ModelPackageArn"])
        # CreateModelPackage takes no reason, so it follows; a person's own is left alone. The
        # status is not named again: naming it would pass for a decision and start a deployment.
        if not package.approval_description:
            self._client.update_model_package(
                ModelPackageArn=package.arn, ApprovalDescription=approval.reason
            )
        return package

    def mark_smoke_tested(self, arn: str) -> None:
        """Write down that a package has read its golden lines through the endpoint."""
        # Other properties stay; this is no change of approval and starts no deployment.
        self._client.update_model_package(
            ModelPackageArn=arn, CustomerMetadataProperties={SMOKE_TESTED: "yes"}
        )

    def _of_run(self, run_id: str) -> Package | None:
        prefix = description_prefix(run_id)
        for each in self._newest_first():
            if each.get("ModelPackageDescription", "").startswith(prefix):
                return self.describe(each["ModelPackageArn"])
        return None

    def _newest_first(
        self, status: "ModelApprovalStatusType | None" = None
    ) -> Iterator["ModelPackageSummaryTypeDef"]:
        arguments: dict[str, Any] = {
            "ModelPackageGroupName": self.group,
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        }
        if status:
            arguments["ModelApprovalStatus"] = status
        while True:
            page = self._client.list_model_packages(**arguments)
            # A filtered page may be empty although later pages are not: only the token counts.
            yield from page["ModelPackageSummaryList"]
            if not page.get("NextToken"):
                return
            arguments["NextToken"] = page["NextToken"]
