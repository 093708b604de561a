"""Under whose key SageMaker keeps what it stores, and in whose network its instances stand.

Each function gives a part of a request, empty where the template's parameters ask for nothing:
SageMaker refuses empty values, so the state machines merge these parts into what they send.
"""

import re
from typing import Any

from retraining.settings import Settings

CAPTURED = "captured"

_FAMILY = re.compile(r"ml\.(?P<family>[a-z]+\d+)(?P<variant>[a-z]*)[a-z0-9-]*\.")
# Families that bring local disks without a "d" in their name.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-volumes.html
_WITH_LOCAL_DISKS = frozenset({"dl1", "g5", "g6", "g7", "gr6", "p5", "p6", "trn1", "trn2"})


def has_local_disks(instance_type: str) -> bool:
    """Tell whether an instance stores on local NVMe disks, which its own hardware encrypts.

    SageMaker refuses a key for their volumes (API reference of ResourceConfig.VolumeKmsKeyId).
    """
    found = _FAMILY.match(instance_type)
    if found is None:
        return False
    family, variant = found["family"], found["variant"]
    if family == "g5" and variant == "g":
        return False
    return family in _WITH_LOCAL_DISKS or "d" in variant


def network(settings: Settings) -> dict[str, Any]:
    """Give the VpcConfig of a model or job."""
    if not settings.vpc_subnet_ids:
        return {}
    return {
        "VpcConfig": {
            "Subnets": list(settings.vpc_subnet_ids),
            "SecurityGroupIds": list(settings.vpc_security_group_ids),
        }
    }


def network_identity(settings: Settings) -> str:
    """Name the network, "" for SageMaker's own: a model cannot be moved, so its name tells."""
    if not settings.vpc_subnet_ids:
        return ""
    subnets, groups = sorted(settings.vpc_subnet_ids), sorted(settings.vpc_security_group_ids)
    return ",".join([*subnets, *groups])


def output_key(settings: Settings) -> dict[str, str]:
    """Give the key of what a job writes to S3, or of a captured request."""
    return {"KmsKeyId": settings.kms_key_arn} if settings.kms_key_arn else {}


def job_volume_key(settings: Settings, instance_type: str) -> dict[str, str]:
    """Give the key of a job's volume."""
    key = _volume_key(settings, instance_type)
    return {"VolumeKmsKeyId": key} if key else {}


def endpoint_options(settings: Settings) -> dict[str, Any]:
    """Give what an endpoint configuration says beside its variants: volume key, data capture."""
    key = _volume_key(settings, settings.endpoint_instance_type)
    options: dict[str, Any] = {"KmsKeyId": key} if key else {}
    if settings.data_capture_percent:
        options["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": settings.data_capture_percent,
            "DestinationS3Uri": f"s3://{settings.bucket}/{CAPTURED}",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            **output_key(settings),
        }
    return options


def _volume_key(settings: Settings, instance_type: str) -> str:
    return "" if has_local_disks(instance_type) else settings.kms_key_arn
