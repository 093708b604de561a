"""The model registry: package groups and packages.

moto forgets SourceUri, ModelCard and ModelLifeCycle, wipes the metadata and the description of a
package with every update that does not repeat them, gives a version's number again after a
deletion, ignores ClientToken, cannot delete, knows groups by name only (CloudFormation's Ref gives
the ARN), filters before it pages, and emits no events, on which deployment by approval hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from localcloud.context import CloudContext
from localcloud.sagemaker_api import Document, Operation, Parameters
from localcloud.sagemaker_errors import ConflictError, RequestInvalidError
from localcloud.sagemaker_events import StateChanges
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_names import ArnMaker, name_of
from localcloud.sagemaker_packages import Package, PackageGroup


class ModelRegistry:
    """All package groups and packages of this cloud."""

    def __init__(self, context: CloudContext, events: StateChanges) -> None:
        """Start empty."""
        self._events = events
        self._arns = ArnMaker.of(context)
        self._groups: dict[str, PackageGroup] = {}
        self._packages: dict[str, Package] = {}
        self._by_token: dict[str, str] = {}
        self._lock = threading.RLock()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": self.describe_group,
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "ListModelPackages": self.list_packages,
            "UpdateModelPackage": self.update,
            "DeleteModelPackage": self.delete,
        }

    def resources(self) -> Iterator[Package | PackageGroup]:
        """Return everything that can be tagged."""
        with self._lock:
            return iter([*self._groups.values(), *self._packages.values()])

    def create_group(self, request: Parameters) -> Document:
        """Create a group; raises RequestInvalidError when there is one of that name."""
        name = request["ModelPackageGroupName"]
        arn = self._arns.make("model-package-group", name)
        with self._lock:
            if name in self._groups:
                raise RequestInvalidError(f"Model Package Group already exists: {arn}")
            self._groups[name] = PackageGroup(name, arn, request)
        return {"ModelPackageGroupArn": arn}

    def describe_group(self, request: Parameters) -> Document:
        """Return a group by name or ARN; raises RequestInvalidError when there is none."""
        with self._lock:
            return self._group(request["ModelPackageGroupName"]).describe()

    def list_groups(self, request: Parameters) -> Document:
        """Return a page of groups."""
        with self._lock:
            page, token = list_page(self._groups.values(), request)
            summaries = [group.summary() for group in page]
        return {"ModelPackageGroupSummaryList": summaries, "NextToken": token}

    def delete_group(self, request: Parameters) -> None:
        """Delete an empty group; raises ConflictError when it has versions."""
        with self._lock:
            group = self._group(request["ModelPackageGroupName"])
            if any(package.group == group.name for package in self._packages.values()):
                raise ConflictError(
                    f"Model Package Group {group.arn} cannot be deleted because it still contains "
                    "model packages."
                )
            del self._groups[group.name]

    def create(self, request: Parameters) -> Document:
        """Register a version of a group, or a package with its own name.

        The same ClientToken again gives the same package.
        """
        if ("ModelPackageGroupName" in request) == ("ModelPackageName" in request):
            raise RequestInvalidError(
                "Exactly one of ModelPackageName and ModelPackageGroupName must be provided."
            )
        token = request.get("ClientToken")
        with self._lock:
            if token in self._by_token:
                return {"ModelPackageArn": self._by_token[token]}
            package = self._new_package(request)
            self._packages[package.arn] = package
            if token is not None:
                self._by_token[token] = package.arn
            self._announce(package, None)
        return {"ModelPackageArn": package.arn}

    def describe(self, request: Parameters) -> Document:
        """Return a package by ARN or name; raises RequestInvalidError when there is none."""
        with self._lock:
            return self._package(request["ModelPackageName"]).describe()

    def list_packages(self, request: Parameters) -> Document:
        """Return a page of packages: a group's versions, or the packages without a group."""
        approval = request.get("ModelApprovalStatus")
        with self._lock:
            page, token = list_page(
                self._chosen(request),
                request,
                on_page=lambda package: approval is None or package.approval == approval,
            )
            summaries = [package.summary() for package in page]
        return {"ModelPackageSummaryList": summaries, "NextToken": token}

    def update(self, request: Parameters) -> Document:
        """Change approval, metadata and so on; raises RequestInvalidError when there is none."""
        with self._lock:
            package = self._package(request["ModelPackageArn"])
            if package.group is None and "ModelApprovalStatus" in request:
                raise RequestInvalidError("Only versioned model packages have an approval status.")
            self._announce(package, package.update(request))
        return {"ModelPackageArn": package.arn}

    def delete(self, request: Parameters) -> None:
        """Delete a package; its version number is not given again."""
        with self._lock:
            del self._packages[self._package(request["ModelPackageName"]).arn]

    def first_container(self, name_or_arn: str) -> Document:
        """Return the container to serve a package with.

        Raises RequestInvalidError when the package is missing or has no InferenceSpecification.
        """
        with self._lock:
            container = self._package(name_or_arn).first_container
        if not container:
            raise RequestInvalidError(f"Model package {name_or_arn} has no InferenceSpecification.")
        return container

    def _new_package(self, request: Parameters) -> Package:
        if "ModelPackageName" in request:
            return self._new_named(request["ModelPackageName"], request)
        group = self._groups.get(name_of(request["ModelPackageGroupName"]))
        if group is None:
            raise RequestInvalidError("Model Package Group does not exist.")
        group.last_version += 1
        arn = self._arns.make("model-package", f"{group.name.lower()}/{group.last_version}")
        return Package(group.name, arn, request, group.name, group.last_version)

    def _new_named(self, name: str, request: Parameters) -> Package:
        arn = self._arns.make("model-package", name.lower())
        if arn in self._packages:
            raise RequestInvalidError(f"Model package already exists: {arn}")
        return Package(name, arn, request, None, None)

    def _chosen(self, request: Parameters) -> list[Package]:
        packages = list(self._packages.values())
        group = request.get("ModelPackageGroupName")
        if group is not None:
            wanted = name_of(group)
            return [package for package in packages if package.group == wanted]
        kind = request.get("ModelPackageType", "Unversioned")
        return [
            package
            for package in packages
            if kind == "Both" or (kind == "Versioned") == (package.group is not None)
        ]

    def _group(self, name_or_arn: str) -> PackageGroup:
        name = name_of(name_or_arn)
        if name not in self._groups:
            arn = self._arns.make("model-package-group", name)
            raise RequestInvalidError(f"ModelPackageGroup {arn} does not exist.")
        return self._groups[name]

    def _package(self, name_or_arn: str) -> Package:
        arn = self._arns.make("model-package", name_of(name_or_arn).lower())
        if arn not in self._packages:
            raise RequestInvalidError(f"ModelPackage {arn} does not exist.")
        return self._packages[arn]

    def _announce(self, package: Package, updated: list[str] | None) -> None:
        detail = package.event_detail(updated)
        self._events.announce("Model Package State Change", package.arn, detail)
