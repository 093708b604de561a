"""What of a stack is in the account, whatever of it is gone already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ocr_retrain.installation.account import Account, is_gone
from ocr_retrain.installation.images import images_stack
from ocr_retrain.installation.names import (
    existing_log_groups,
    is_bucket_of,
    is_job_of,
    is_table_of,
    log_group_names,
)
from ocr_retrain.installation.stacks import DeployedStack, find_stack
from ocr_retrain.model_registry import list_packages
from retraining.names import is_endpoint_config_of, is_model_of, is_transcription_model

if TYPE_CHECKING:
    from ocr_retrain.repository import Repository


_GOING_ON = ("Executing", "Stopping")


@dataclass(frozen=True)
class Data:
    """What was uploaded, learnt and remembered: removed only when that was asked for by name."""

    buckets: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    group: str = ""
    versions: tuple[str, ...] = ()

    def described(self) -> list[str]:
        """Return one line for each part."""
        lines = [f"bucket {name} with everything in it" for name in self.buckets]
        lines += [f"table {name}" for name in self.tables]
        if self.group:
            lines.append(f"model package group {self.group}, {len(self.versions)} versions")
        return lines


@dataclass(frozen=True)
class Belongings:
    """Everything that was found, by kind; names and ARNs as the services take them."""

    prefix: str
    application: DeployedStack | None
    images: DeployedStack | None
    executions: tuple[str, ...] = ()
    pipeline: str = ""
    pipeline_executions: tuple[str, ...] = ()
    training_jobs: tuple[str, ...] = ()
    processing_jobs: tuple[str, ...] = ()
    transform_jobs: tuple[str, ...] = ()
    endpoint: str = ""
    endpoint_configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = ()
    data: Data = field(default_factory=Data)

    def described(self, keep_images: bool) -> list[str]:
        """Return one line for each thing that removal ends or deletes, data apart."""
        lines = [f"execution {_last(arn)}, which is running" for arn in self.executions]
        lines += [
            f"execution {arn.rpartition('/')[2]} of the pipeline, which is running"
            for arn in self.pipeline_executions
        ]
        jobs = (*self.training_jobs, *self.processing_jobs, *self.transform_jobs)
        lines += [f"job {name}, which is running" for name in jobs]
        if self.pipeline:
            lines.append(f"pipeline {self.pipeline}, with the history of its executions")
        if self.endpoint:
            lines.append(f"endpoint {self.endpoint}")
        if self.endpoint_configs:
            lines.append(f"{len(self.endpoint_configs)} endpoint configurations")
        if self.models:
            lines.append(f"{len(self.models)} models (not their versions in the registry)")
        if self.application:
            lines.append(f"stack {self.application.name} ({self.application.status})")
        if self.images and not keep_images:
            lines.append(f"stack {self.images.name} with all images ({self.images.status})")
        if self.log_groups:
            lines.append(f"{len(self.log_groups)} log groups")
        return lines


def find_belongings(
    account: Account, repository: Repository, stack: str, prefix: str | None
) -> Belongings:
    """Look for everything that belongs to ``stack``.

    ``prefix`` is only needed when both stacks are gone and the Prefix was not the stack's name.
    """
    application = find_stack(account.cloudformation, stack)
    images = find_stack(account.cloudformation, images_stack(stack))
    known = [found.parameters.get("Prefix") for found in (application, images) if found]
    chosen = next((name for name in known if name), None) or prefix or stack
    has_pipeline = _has_pipeline(account, chosen)
    return Belongings(
        prefix=chosen,
        application=application,
        images=images,
        executions=tuple(_executions(account, chosen)),
        pipeline=chosen if has_pipeline else "",
        pipeline_executions=tuple(running_in_pipeline(account, chosen) if has_pipeline else ()),
        training_jobs=tuple(_running_jobs(account, chosen, "Training")),
        processing_jobs=tuple(_running_jobs(account, chosen, "Processing")),
        transform_jobs=tuple(_running_jobs(account, chosen, "Transform")),
        endpoint=chosen if _has_endpoint(account, chosen) else "",
        endpoint_configs=tuple(_endpoint_configs(account, chosen)),
        models=tuple(_models(account, chosen)),
        log_groups=tuple(find_log_groups(account, repository, chosen)),
        data=_data(account, stack, chosen),
    )


def find_log_groups(account: Account, repository: Repository, prefix: str) -> list[str]:
    """Return the log groups of the stack's parts and of its endpoint that exist."""
    names = [*log_group_names(repository, prefix), f"/aws/sagemaker/Endpoints/{prefix}"]
    return existing_log_groups(account, names)


def _executions(account: Account, prefix: str) -> Iterator[str]:
    start = f"arn:{_partition(account)}:states:{account.region}:{account.number}:stateMachine"
    paginator = account.stepfunctions.get_paginator("list_executions")
    for machine in ("retrain", "deploy", "transcribe"):
        try:
            pages = paginator.paginate(
                stateMachineArn=f"{start}:{prefix}-{machine}", statusFilter="RUNNING"
            )
            yield from (item["executionArn"] for page in pages for item in page["executions"])
        except ClientError as error:
            if not is_gone(error):
                raise


def _has_pipeline(account: Account, name: str) -> bool:
    pages = account.sagemaker.get_paginator("list_pipelines").paginate(PipelineNamePrefix=name)
    return any(
        each.get("PipelineName") == name for page in pages for each in page["PipelineSummaries"]
    )


def running_in_pipeline(account: Account, name: str) -> Iterator[str]:
    """Tell the executions of a pipeline that have not ended."""
    pages = account.sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=name)
    for page in pages:
        for item in page["PipelineExecutionSummaries"]:
            if item.get("PipelineExecutionStatus") in _GOING_ON:
                yield item["PipelineExecutionArn"]


def _partition(account: Account) -> str:
    return str(account.session.get_partition_for_region(account.region))


def _running_jobs(account: Account, prefix: str, kind: str) -> Iterator[str]:
    # Its types know paginators by literal names only.
    sagemaker: Any = account.sagemaker
    pages = sagemaker.get_paginator(f"list_{kind.lower()}_jobs").paginate(
        StatusEquals="InProgress", NameContains=f"{prefix}-"
    )
    for page in pages:
        for item in page[f"{kind}JobSummaries"]:
            if is_job_of(prefix, item[f"{kind}JobName"]):
                yield item[f"{kind}JobName"]


def _has_endpoint(account: Account, name: str) -> bool:
    return _exists(lambda: account.sagemaker.describe_endpoint(EndpointName=name))


def _exists(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ClientError as error:
        if is_gone(error):
            return False
        raise
    return True


def _endpoint_configs(account: Account, prefix: str) -> Iterator[str]:
    pages = account.sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=f"{prefix}-v"
    )
    for page in pages:
        for item in page["EndpointConfigs"]:
            if is_endpoint_config_of(prefix, item["EndpointConfigName"]):
                yield item["EndpointConfigName"]


def _models(account: Account, prefix: str) -> Iterator[str]:
    pages = account.sagemaker.get_paginator("list_models").paginate(NameContains=f"{prefix}-")
    for page in pages:
        for item in page["Models"]:
            name = item["ModelName"]
            if is_model_of(prefix, name) or is_transcription_model(prefix, name):
                yield name


def _data(account: Account, stack: str, prefix: str) -> Data:
    names = [bucket.get("Name", "") for bucket in account.s3.list_buckets()["Buckets"]]
    pages = account.dynamodb.get_paginator("list_tables").paginate()
    tables = [name for page in pages for name in page["TableNames"]]
    has_group = _exists(
        lambda: account.sagemaker.describe_model_package_group(ModelPackageGroupName=prefix)
    )
    versions = list_packages(account.sagemaker, prefix) if has_group else []
    return Data(
        buckets=tuple(name for name in names if is_bucket_of(stack, name)),
        tables=tuple(name for name in tables if is_table_of(stack, name)),
        group=prefix if has_group else "",
        versions=tuple(version.arn for version in versions),
    )


def _last(arn: str) -> str:
    return arn.rpartition(":")[2]
