"""Registering a base model as an approved version and making the endpoint serve it."""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_retrain.base_model import NAMED_SOURCES, BaseModel, make_base_model
from ocr_retrain.dataset_folder import dataset_name
from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.labelled_lines import read_labelled
from ocr_retrain.model_registry import (
    Approval,
    ModelVersion,
    describe_endpoint,
    describe_version,
    latest_approved,
    list_versions,
)
from ocr_retrain.scratch_training import require_trainable, stack_of_jobs, train_from_scratch
from ocr_retrain.terminal import INDENT, note
from ocr_retrain.watching import show_until_end
from retraining.normalization import Normalization

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud
    from ocr_retrain.repository import Repository

_CONTENT_TYPES = ("image/jpeg", "image/png", "application/x-image", "application/json")
_SERVING_TIMEOUT = 1800.0
_FORBIDDEN = re.compile(r"[^\w .:/=+@-]")
_LONGEST_PROPERTY = 256


@dataclass(frozen=True)
class Scratch:
    """A first model of one's own: the folder to learn from, and what the trainer is told."""

    dataset: Path
    hyperparameters: Mapping[str, str]


@dataclass(frozen=True)
class Bootstrapped:
    """The version that was registered (or found), and whether it is new."""

    version: ModelVersion
    is_new: bool


def bootstrap(
    cloud: Cloud,
    repository: Repository,
    source: str,
    indent: int = INDENT,
    sha256: str | None = None,
    lines: Path | None = None,
    scratch: Scratch | None = None,
) -> Bootstrapped:
    """Register the base model unless it is there already, and make sure the endpoint serves.

    ``sha256`` and ``lines`` are those of ``make_base_model``. With ``scratch`` only the network of
    ``source`` is used, and trained. Raises UserError when the model cannot be packaged, trained or
    does not read, or when the deployment fails.
    """
    versions = list_versions(cloud.sagemaker, cloud.stack.model_package_group, Approval.APPROVED)
    registered = None if scratch else _registered_name(versions, source)
    if scratch:
        model = _trained(cloud, repository, source, scratch, indent, sha256)
        registered = _registered_content(versions, model)
    elif registered is None:
        model = make_base_model(repository, source, indent, sha256, lines)
        registered = _registered_content(versions, model)
    if registered is not None:
        note(
            f"{source} is registered already: version {registered.version}, Approved.",
            indent=indent,
        )
        result = Bootstrapped(registered, is_new=False)
    else:
        if model.reading:
            note(model.reading, indent=indent)
        result = Bootstrapped(_register(cloud, model, indent), is_new=True)
    deploy(cloud, indent)
    return result


def _trained(
    cloud: Cloud,
    repository: Repository,
    source: str,
    scratch: Scratch,
    indent: int,
    sha256: str | None,
) -> BaseModel:
    """Train the network of ``source``, and let the new model read the lines of its dataset."""
    require_trainable(source)
    stack = stack_of_jobs(cloud)
    rules = Normalization.parse(stack.parameters["TextNormalization"])
    lines = read_labelled(scratch.dataset, rules)
    for problem, number in sorted(lines.problems.items()):
        note(f"Set aside: {problem} ({number}).", indent=indent)
    network_of = make_base_model(repository, source, indent, sha256)
    uri = train_from_scratch(
        cloud, stack, network_of, lines, scratch.dataset, scratch.hyperparameters, indent
    )
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, f"{dataset_name(scratch.dataset, None)}.tar.gz")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        cloud.s3.download_file(bucket, key, str(archive))
        return make_base_model(repository, str(archive), indent, lines=scratch.dataset)


def deploy(cloud: Cloud, indent: int = INDENT) -> None:
    """Make the endpoint serve the latest approved version; raises UserError when it fails.

    Outside the endpoint's hours there is none; that is told.
    """
    if _is_served(cloud):
        return
    note("Deploying the latest approved version:", indent=indent)
    started = cloud.stepfunctions.start_execution(
        stateMachineArn=cloud.stack.deploy_state_machine,
        name=f"bootstrap-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        input="{}",
    )
    execution = show_until_end(cloud, started["executionArn"], indent=indent).execution
    if execution.status != "SUCCEEDED":
        raise UserError(
            f"The deployment failed: {execution.cause or execution.error or execution.status}",
            ExitCode.FAILED,
        )
    off = cloud.stack.off_until(datetime.now(UTC))
    if off:
        note(off, indent=indent)
        return
    deadline = time.monotonic() + _SERVING_TIMEOUT
    while not _is_served(cloud):
        if time.monotonic() >= deadline:
            raise UserError(
                f"Endpoint {cloud.stack.endpoint} does not serve the latest approved version "
                "although its deployment ended well: `ocr-retrain models` shows what it serves.",
                ExitCode.FAILED,
            )
        time.sleep(cloud.poll_seconds)


def _is_served(cloud: Cloud) -> bool:
    wanted = latest_approved(cloud.sagemaker, cloud.stack.model_package_group)
    endpoint = describe_endpoint(cloud.sagemaker, cloud.stack.endpoint)
    if wanted is None or endpoint is None:
        return False
    return endpoint.status == "InService" and endpoint.package_arn == wanted.arn


def _registered_name(versions: Sequence[ModelVersion], source: str) -> ModelVersion | None:
    # Packaging a named model again may give other bytes (a newer library); registering those as
    # the latest version would put the base model in the place of everything trained since.
    if source not in NAMED_SOURCES:
        return None
    return _first(versions, "source", source)


def _registered_content(versions: Sequence[ModelVersion], model: BaseModel) -> ModelVersion | None:
    return _first(versions, "sha256", model.sha256)


def _first(versions: Sequence[ModelVersion], key: str, value: str) -> ModelVersion | None:
    for version in versions:
        if version.metadata.get(key) == value:
            return version
    return None


def _register(cloud: Cloud, model: BaseModel, indent: int) -> ModelVersion:
    stack = cloud.stack
    folder = f"models/{stack.prefix}-base-{model.sha256[:12]}/output/"
    note(f"Uploading the model to s3://{stack.bucket}/{folder}", indent=indent)
    cloud.s3.put_object(Bucket=stack.bucket, Key=f"{folder}dict.txt", Body=model.dictionary())
    cloud.s3.upload_file(str(model.path), stack.bucket, f"{folder}model.tar.gz")
    arn = cloud.sagemaker.create_model_package(
        ModelPackageGroupName=stack.model_package_group,
        ModelPackageDescription=f"Base model {model.source}",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": stack.inference_image,
                    "ModelDataUrl": f"s3://{stack.bucket}/{folder}model.tar.gz",
                }
            ],
            "SupportedContentTypes": list(_CONTENT_TYPES),
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties={
            "source": _FORBIDDEN.sub(" ", model.source)[:_LONGEST_PROPERTY],
            "dictionary_uri": f"s3://{stack.bucket}/{folder}dict.txt",
            "sha256": model.sha256,
            **({"reading": _FORBIDDEN.sub(" ", model.reading)} if model.reading else {}),
        },
    )["ModelPackageArn"]
    version = describe_version(cloud.sagemaker, arn)
    note(f"Registered as version {version.version}, Approved.", indent=indent)
    return version
