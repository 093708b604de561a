"""Training a first model from random weights, in the product's own training job."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_retrain.base_model import PRETRAINED, BaseModel
from ocr_retrain.dataset_folder import DatasetFolder
from ocr_retrain.drop import upload
from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.history import WorkKind
from ocr_retrain.installation.stacks import find_stack
from ocr_retrain.job_logs import JobLog
from ocr_retrain.labelled_lines import LabelledLines
from ocr_retrain.phrases import count
from ocr_retrain.terminal import note
from ocr_retrain.upload_progress import upload_progress
from retraining import names, s3_layout
from retraining.lines import Line, format_line
from retraining.new_characters import format_characters
from retraining.planning import manifest_rows
from retraining.protection import job_volume_key, network, output_key
from retraining.settings import Settings
from retraining.training_channels import training_channel

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud
    from ocr_retrain.installation.stacks import DeployedStack

# The trainer keeps its best weights and writes the model before the job is cut off.
_SHARE_OF_THE_TIME = 0.9
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
# Its backbone is in no training code of PaddleOCR, so that it has no random weights to begin with.
_NOT_FROM_SCRATCH = frozenset({PRETRAINED})


@dataclass(frozen=True)
class _Inputs:
    """What was uploaded for a job: its run id, and the S3 URIs of its channels."""

    run_id: str
    champion: str
    labels: str
    manifest: str
    checkpoints: str


def require_trainable(source: str) -> None:
    """Raise UserError for a named model whose network cannot be trained from random weights."""
    if source in _NOT_FROM_SCRATCH:
        raise UserError(
            f"{source} cannot be trained from random weights, because its backbone stays as it is: "
            "give --model pp-ocrv4-mobile or pp-ocrv5-mobile for the network."
        )


def stack_of_jobs(cloud: Cloud) -> DeployedStack:
    """Return the stack with its parameters; raises UserError when it is older than this code."""
    stack = find_stack(
        cloud.session.client("cloudformation", endpoint_url=cloud.endpoint_url), cloud.stack.name
    )
    if stack is None or "JobRoleArn" not in stack.outputs:
        raise UserError(
            f"Stack {cloud.stack.name} does not tell the role of its jobs: deploy this "
            "repository's template.yaml again."
        )
    return stack


def train_from_scratch(
    cloud: Cloud,
    stack: DeployedStack,
    network_of: BaseModel,
    lines: LabelledLines,
    root: Path,
    hyperparameters: Mapping[str, str],
    indent: int,
) -> str:
    """Train the network of a base model from random weights; return the S3 URI of the model.

    The job is on demand and ends after MaxTrainingSeconds at the latest; Ctrl-C stops it. Raises
    UserError when it fails, with its own words.
    """
    run_id = names.run_id(datetime.now(UTC), secrets.token_hex(3))
    inputs = _upload(cloud, run_id, network_of, lines, root, indent)
    request = training_request(stack, cloud, inputs, hyperparameters)
    seconds = request["StoppingCondition"]["MaxRuntimeInSeconds"]
    note(
        f"Training from random weights on {count(len(lines.train), 'line')}, at most "
        f"{seconds / 60:,.0f} minutes on {request['ResourceConfig']['InstanceType']}:",
        indent=indent,
    )
    cloud.sagemaker.create_training_job(**request)
    return _follow(cloud, request["TrainingJobName"], indent)


def training_request(
    stack: DeployedStack, cloud: Cloud, inputs: _Inputs, hyperparameters: Mapping[str, str]
) -> dict[str, Any]:
    """Build the request of the job from the stack's parameters; pure."""
    parameters = stack.parameters
    settings = _settings(cloud, parameters)
    kind, seconds = parameters["TrainingInstanceType"], int(parameters["MaxTrainingSeconds"])
    given = {
        "recipe": "scratch",
        "max_minutes": f"{seconds * _SHARE_OF_THE_TIME / 60:.1f}",
        **hyperparameters,
        "run_id": inputs.run_id,
    }
    return {
        "TrainingJobName": f"{names.training_job(settings.prefix, inputs.run_id)}-d0",
        "AlgorithmSpecification": {
            "TrainingImage": stack.outputs["TrainingImageUri"],
            "TrainingInputMode": "File",
        },
        "RoleArn": stack.outputs["JobRoleArn"],
        "HyperParameters": given,
        "InputDataConfig": [
            training_channel("champion", inputs.champion, "S3Prefix"),
            training_channel("labels", inputs.labels, "S3Prefix"),
            training_channel("training", inputs.manifest, "ManifestFile"),
        ],
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{settings.bucket}/models",
            **output_key(settings),
        },
        "CheckpointConfig": {"S3Uri": inputs.checkpoints, "LocalPath": "/opt/ml/checkpoints"},
        "ResourceConfig": {
            "InstanceType": kind,
            "InstanceCount": 1,
            "VolumeSizeInGB": int(parameters["TrainingVolumeGigabytes"]),
            **job_volume_key(settings, kind),
        },
        "EnableNetworkIsolation": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
        "Tags": [{"Key": "ocr-retrain:run", "Value": inputs.run_id}],
        **network(settings),
    }


def _settings(cloud: Cloud, parameters: Mapping[str, str]) -> Settings:
    return Settings.from_environment(
        {
            "BUCKET": cloud.stack.bucket,
            "TABLE": cloud.stack.table,
            "PREFIX": cloud.stack.prefix,
            "MODEL_PACKAGE_GROUP": cloud.stack.model_package_group,
            "ENDPOINT_NAME": cloud.stack.endpoint,
            "KMS_KEY_ARN": parameters.get("KmsKeyArn", ""),
            "VPC_SUBNET_IDS": parameters.get("VpcSubnetIds", ""),
            "VPC_SECURITY_GROUP_IDS": parameters.get("VpcSecurityGroupIds", ""),
        }
    )


def _upload(
    cloud: Cloud,
    run_id: str,
    network_of: BaseModel,
    lines: LabelledLines,
    root: Path,
    indent: int,
) -> _Inputs:
    bucket, labels = cloud.stack.bucket, s3_layout.labels_prefix(run_id)
    images, champion = f"runs/{run_id}/scratch/", f"runs/{run_id}/network/"
    cloud.s3.upload_file(str(network_of.path), bucket, f"{champion}model.tar.gz")
    folder = DatasetFolder(root, lines.images, ())
    with upload_progress(folder, indent) as on_file:
        upload(cloud.s3, bucket, images, folder, on_file)
    files = {
        f"{labels}train.txt": _rows(lines.train, images),
        f"{labels}new_characters.txt": format_characters(lines.characters),
        s3_layout.training_manifest(run_id): "".join(
            manifest_rows(bucket, (images + file.relative for file in lines.images))
        ),
    }
    if lines.held:
        files[f"{labels}dev.txt"] = _rows(lines.held, images)
    for key, text in files.items():
        cloud.s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return _Inputs(
        run_id=run_id,
        champion=f"s3://{bucket}/{champion}",
        labels=f"s3://{bucket}/{labels}",
        manifest=f"s3://{bucket}/{s3_layout.training_manifest(run_id)}",
        checkpoints=f"s3://{bucket}/{s3_layout.checkpoints(run_id)}",
    )


def _rows(lines: Iterable[Line], prefix: str) -> str:
    return "".join(format_line(replace(line, key=prefix + line.key)) for line in lines)


def _follow(cloud: Cloud, job: str, indent: int) -> str:
    log, told = JobLog(cloud.logs, WorkKind.TRAINING, job), ""
    try:
        while True:
            found = cloud.sagemaker.describe_training_job(TrainingJobName=job)
            progress = log.progress()
            epoch = f", epoch {progress.epoch} of {progress.epochs}" if progress.epoch else ""
            now = f"{found['SecondaryStatus']}{epoch}"
            if now != told:
                told = now
                note(now, indent=indent)
            if found["TrainingJobStatus"] in _ENDED:
                break
            time.sleep(cloud.poll_seconds)
    except KeyboardInterrupt:
        cloud.sagemaker.stop_training_job(TrainingJobName=job)
        note(f"Training job {job} is stopped; nothing was registered.", indent=indent)
        raise
    if found["TrainingJobStatus"] != "Completed":
        reason = found.get("FailureReason") or f"it was {found['TrainingJobStatus'].lower()}"
        raise UserError(f"Training job {job} ended without a model: {reason}", ExitCode.FAILED)
    return found["ModelArtifacts"]["S3ModelArtifacts"]
