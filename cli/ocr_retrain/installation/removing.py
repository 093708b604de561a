"""Removing a stack: first what could make things anew, then what costs, then what is left."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ocr_retrain.errors import UserError
from ocr_retrain.installation.account import Account, error_message, is_gone
from ocr_retrain.installation.belongings import (
    Belongings,
    Data,
    find_log_groups,
    running_in_pipeline,
)
from ocr_retrain.installation.stacks import DeployedStack, delete_stack

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

    from ocr_retrain.repository import Repository

_Item = TypeVar("_Item")
_POLL_SECONDS = 5.0
_ENDPOINT_SECONDS = 1800
_PIPELINE_SECONDS = 900
_AT_ONCE = 1000
_VARIANT = "AllTraffic"
# A group with versions cannot be deleted; it is data.
_KEPT_BY_SAGEMAKER = "ModelPackageGroup"


class Removal:
    """Removes what was found; what fails is remembered and the rest goes on."""

    def __init__(
        self, account: Account, repository: Repository, on_progress: Callable[[str], None]
    ) -> None:
        """Prepare; nothing is removed yet."""
        self._account = account
        self._repository = repository
        self._progress = on_progress
        self.failures: list[str] = []

    def remove(self, found: Belongings, keep_images: bool, delete_data: bool) -> None:
        """Remove it all; ``failures`` then holds a sentence for each thing that is still there."""
        sagemaker = self._account.sagemaker
        # The machines deploy what is approved: while they are there, an endpoint would come back.
        for arn in found.executions:
            self._try(
                f"stopping execution {arn.rpartition(':')[2]}",
                self._account.stepfunctions.stop_execution,
                executionArn=arn,
                cause="The stack is being removed.",
            )
        if found.pipeline:
            name = found.pipeline
            self._try(f"deleting pipeline {name}", self._delete_pipeline, name=name)
        for job in found.training_jobs:
            self._try(f"stopping {job}", sagemaker.stop_training_job, TrainingJobName=job)
        for job in found.processing_jobs:
            self._try(f"stopping {job}", sagemaker.stop_processing_job, ProcessingJobName=job)
        for job in found.transform_jobs:
            self._try(f"stopping {job}", sagemaker.stop_transform_job, TransformJobName=job)
        if found.application:
            self._delete_stack(found.application)
        self._remove_endpoint(found)
        if found.images and not keep_images:
            self._remove_images(found.images)
        self._remove_logs(found, keep_images)
        if delete_data:
            self._remove_data(found.data)

    def _remove_endpoint(self, found: Belongings) -> None:
        account, sagemaker = self._account, self._account.sagemaker
        if found.endpoint:
            resource = f"endpoint/{found.endpoint}/variant/{_VARIANT}"
            self._try(
                "ending its scaling",
                account.autoscaling.deregister_scalable_target,
                ServiceNamespace="sagemaker",
                ResourceId=resource,
                ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            )
            self._try(
                f"deleting endpoint {found.endpoint}", self._delete_endpoint, name=found.endpoint
            )
        for name in found.endpoint_configs:
            self._try(
                f"deleting endpoint configuration {name}",
                sagemaker.delete_endpoint_config,
                EndpointConfigName=name,
            )
        for name in found.models:
            self._try(f"deleting model {name}", sagemaker.delete_model, ModelName=name)

    def _delete_endpoint(self, name: str) -> None:
        deadline = time.monotonic() + _ENDPOINT_SECONDS
        # One that is being updated cannot be deleted until that has ended.
        while (status := self._endpoint_status(name)) in ("Creating", "Updating", "RollingBack"):
            if time.monotonic() >= deadline:
                raise UserError(f"Endpoint {name} has been {status} for half an hour.")
            time.sleep(_POLL_SECONDS)
        self._account.sagemaker.delete_endpoint(EndpointName=name)
        while self._endpoint_status(name) == "Deleting":
            time.sleep(_POLL_SECONDS)

    def _delete_pipeline(self, name: str) -> None:
        account, token = self._account, uuid.uuid4().hex
        for arn in running_in_pipeline(account, name):
            account.sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=arn, ClientRequestToken=token
            )
        # While one goes on the pipeline cannot be deleted, and a function runs to its end.
        deadline = time.monotonic() + _PIPELINE_SECONDS
        while any(running_in_pipeline(account, name)):
            if time.monotonic() >= deadline:
                raise UserError("Its executions have been stopping for a quarter of an hour.")
            time.sleep(_POLL_SECONDS)
        account.sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=token)

    def _endpoint_status(self, name: str) -> str:
        try:
            described = self._account.sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if is_gone(error):
                return ""
            raise
        return str(described["EndpointStatus"])

    def _remove_images(self, images: DeployedStack) -> None:
        bucket = images.outputs.get("SourceBucketName")
        if bucket:
            self._try(f"emptying bucket {bucket}", self._empty, bucket=bucket)
        self._delete_stack(images)

    def _delete_stack(self, stack: DeployedStack) -> None:
        def delete() -> None:
            left = delete_stack(self._account.cloudformation, stack.name, self._progress)
            if unexpected := sorted(set(left) - {_KEPT_BY_SAGEMAKER}):
                raise UserError(f"{', '.join(unexpected)} could not be deleted and stays.")

        self._try(f"deleting stack {stack.name}", delete)

    def _remove_logs(self, found: Belongings, keep_images: bool) -> None:
        # A function that ended late makes its log group anew, which a new stack would stumble on.
        kept = f"/aws/codebuild/{found.prefix}-images" if keep_images else ""
        for name in find_log_groups(self._account, self._repository, found.prefix):
            if name != kept:
                self._try(
                    f"deleting log group {name}",
                    self._account.logs.delete_log_group,
                    logGroupName=name,
                )

    def _remove_data(self, data: Data) -> None:
        account = self._account
        for arn in data.versions:
            self._try(
                f"deleting {arn.rpartition(':')[2]}",
                account.sagemaker.delete_model_package,
                ModelPackageName=arn,
            )
        if data.group:
            self._try(
                f"deleting model package group {data.group}",
                account.sagemaker.delete_model_package_group,
                ModelPackageGroupName=data.group,
            )
        for bucket in data.buckets:
            self._try(f"emptying bucket {bucket}", self._empty, bucket=bucket)
            self._try(f"deleting bucket {bucket}", account.s3.delete_bucket, Bucket=bucket)
        for table in data.tables:
            self._try(f"deleting table {table}", account.dynamodb.delete_table, TableName=table)

    def _empty(self, bucket: str) -> None:
        pages = self._account.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for page in pages:
            objects: list[ObjectIdentifierTypeDef] = [
                {"Key": item["Key"], "VersionId": item["VersionId"]}
                for item in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]
            for some in _portions(objects, _AT_ONCE):
                answer = self._account.s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": list(some), "Quiet": True}
                )
                if errors := answer.get("Errors", []):
                    raise UserError(
                        f"{len(errors)} objects could not be deleted, for example "
                        f"{errors[0].get('Key')}: {errors[0].get('Message')}"
                    )

    def _try(self, what: str, do: Callable[..., object], **arguments: str) -> None:
        self._progress(what)
        try:
            do(**arguments)
        except ClientError as error:
            if not is_gone(error):
                self._fail(what, error_message(error))
        except (UserError, BotoCoreError) as error:
            self._fail(what, str(error))

    def _fail(self, what: str, reason: str) -> None:
        self._progress(f"  failed: {reason}")
        self.failures.append(f"{what}: {reason}")


def _portions(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
