"""The requests of the training and the evaluation job: those of the Retrain state machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.stack import Stack
from retraining.protection import job_volume_key, network, output_key
from retraining.training_channels import training_channel

_METRICS = {
    "loss": " loss=([0-9.]+)",
    "learning_rate": " learning_rate=([0-9.e-]+)",
    "images_per_second": " images_per_second=([0-9.]+)",
    "dev_exact_match": " dev_exact_match=([0-9.]+)",
    "epoch": "epoch=([0-9]+)/",
}
Given = Mapping[str, Any]


def training_request(stack: Stack, run_id: Any, plan: Given) -> dict[str, Any]:  # noqa: ANN401
    """Ask for a training job that starts from the champion of ``plan``.

    SageMaker adds the execution to the job's name. ``run_id`` and the values of ``plan`` are known
    in an execution only. https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
    """
    settings = stack.settings
    kept = {"KeepAlivePeriodInSeconds": stack.kept_alive} if stack.kept_alive else {}
    limits = {"MaxRuntimeInSeconds": stack.most_training}
    if stack.use_spot:
        limits["MaxWaitTimeInSeconds"] = 2 * stack.most_training
    return {
        "TrainingJobName": f"{stack.prefix}-pipeline-train",
        "AlgorithmSpecification": {
            "TrainingImage": stack.training_image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": name, "Regex": regex} for name, regex in _METRICS.items()
            ],
        },
        "RoleArn": stack.job_role,
        "HyperParameters": {
            **settings.hyperparameters,
            "run_id": run_id,
            "parent_package_arn": plan["champion_package_arn"],
            "dataset_ids": plan["dataset_ids"],
        },
        "InputDataConfig": [
            training_channel("champion", plan["champion_model_data"], "S3Prefix"),
            training_channel("labels", plan["labels_uri"], "S3Prefix", stack.input_mode),
            training_channel(
                "training", plan["training_manifest_uri"], "ManifestFile", stack.input_mode
            ),
        ],
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{settings.bucket}/models",
            **output_key(settings),
        },
        "CheckpointConfig": {
            "S3Uri": plan["checkpoints_uri"],
            "LocalPath": "/opt/ml/checkpoints",
        },
        "ResourceConfig": {
            "InstanceType": settings.training_instance_type,
            "InstanceCount": stack.instances,
            "VolumeSizeInGB": stack.volume,
            **job_volume_key(settings, settings.training_instance_type),
            **kept,
        },
        "EnableManagedSpotTraining": stack.use_spot,
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": stack.encrypts_traffic,
        "StoppingCondition": limits,
        **network(settings),
        "Tags": [{"Key": "ocr-retrain:run", "Value": run_id}],
    }


def evaluation_request(
    stack: Stack,
    run_id: Any,  # noqa: ANN401
    plan: Given,
    candidate: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Ask for a job in which candidate and champion read the same unseen lines.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
    """
    settings = stack.settings
    return {
        "ProcessingJobName": f"{stack.prefix}-pipeline-evaluate",
        "AppSpecification": {
            "ImageUri": stack.training_image,
            "ContainerEntrypoint": ["evaluate"],
        },
        "RoleArn": stack.job_role,
        "Environment": {
            "RUN_ID": run_id,
            "CHAMPION_PACKAGE_ARN": plan["champion_package_arn"],
        },
        "NetworkConfig": {"EnableNetworkIsolation": True, **network(settings)},
        "ProcessingInputs": [
            _input("champion", plan["champion_model_data"], "S3Prefix"),
            _input("candidate", candidate, "S3Prefix"),
            _input("slices", plan["slices_uri"], "S3Prefix"),
            _input("images", plan["evaluation_manifest_uri"], "ManifestFile"),
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "evaluation",
                    "S3Output": {
                        "S3Uri": plan["evaluation_output_uri"],
                        "LocalPath": "/opt/ml/processing/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ],
            **output_key(settings),
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": settings.evaluation_instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": stack.volume,
                **job_volume_key(settings, settings.evaluation_instance_type),
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": stack.most_evaluation},
        "Tags": [{"Key": "ocr-retrain:run", "Value": run_id}],
    }


def _input(name: str, uri: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": kind,
            "S3InputMode": "File",
        },
    }
