"""Looks at the endpoint: what it does, what it serves, and since when something is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import (
        DescribeEndpointConfigOutputTypeDef,
        DescribeEndpointOutputTypeDef,
    )

IN_SERVICE, FAILED = "InService", "Failed"
# Nothing can be done with an endpoint in one of these but to wait.
BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class Endpoint:
    """The endpoint as it is; all texts are "" where there is nothing to tell.

    ``package_arn`` is "" when the model is of no package, ``instances`` is 0 when unknown,
    ``capture_percent`` is 0 when nothing is captured, ``async_config`` is empty when it answers at
    once.
    """

    status: str
    config: str = ""
    failure: str = ""
    model_name: str = ""
    package_arn: str = ""
    instance_type: str = ""
    instances: int = 0
    variants: int = 0
    volume_key: str = ""
    capture_percent: int = 0
    async_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Tell whether there is an endpoint at all."""
        return self.status != ""

    @property
    def is_busy(self) -> bool:
        """Tell whether it can only be waited for."""
        return self.status in BUSY


NO_ENDPOINT = Endpoint(status="")


def look_up(client: "SageMakerClient", name: str) -> Endpoint:
    """Describe the endpoint; what was deleted behind its back is told as ""."""
    try:
        found = client.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if is_missing(error):
            return NO_ENDPOINT
        raise
    config = found.get("EndpointConfigName", "")
    model, instance_type, variants, key, captured = "", "", 0, "", 0
    async_config: Mapping[str, Any] = {}
    try:
        described = client.describe_endpoint_config(EndpointConfigName=config)
        variants = len(described["ProductionVariants"])
        key, captured = described.get("KmsKeyId", ""), _capture_percent(described)
        async_config = described.get("AsyncInferenceConfig", {})
        model = described["ProductionVariants"][0].get("ModelName", "")
        instance_type = described["ProductionVariants"][0].get("InstanceType", "")
        # A variant of inference components has no model of its own.
        package = _package_of(client, model) if model else ""
    except ClientError as error:
        # Somebody deleted the configuration or the model: whatever is served, it is to be replaced.
        if not is_missing(error):
            raise
        model, package = "", ""
    return Endpoint(
        status=found["EndpointStatus"],
        config=config,
        failure=found.get("FailureReason", ""),
        model_name=model,
        package_arn=package,
        instance_type=instance_type,
        instances=_instances(found),
        variants=variants,
        volume_key=key,
        capture_percent=captured,
        async_config=async_config,
    )


def model_exists(client: "SageMakerClient", name: str) -> bool:
    """Tell whether there is a SageMaker model of this name."""
    try:
        client.describe_model(ModelName=name)
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return True


def is_missing(error: ClientError) -> bool:
    """Tell whether SageMaker refused because there is no such thing (it has no code for that)."""
    about = error.response["Error"]
    return about["Code"] in {"ValidationException", "ResourceNotFound"} and (
        "could not find" in about["Message"].lower() or "does not exist" in about["Message"].lower()
    )


def _instances(found: "DescribeEndpointOutputTypeDef") -> int:
    variants = found.get("ProductionVariants", [])
    return variants[0].get("DesiredInstanceCount", 0) if variants else 0


def _capture_percent(config: "DescribeEndpointConfigOutputTypeDef") -> int:
    capture: Mapping[str, Any] = config.get("DataCaptureConfig", {})
    return int(capture["InitialSamplingPercentage"]) if capture.get("EnableCapture") else 0


def _package_of(client: "SageMakerClient", model: str) -> str:
    found = client.describe_model(ModelName=model)
    containers = [found.get("PrimaryContainer", {}), *found.get("Containers", [])]
    return next((each["ModelPackageName"] for each in containers if "ModelPackageName" in each), "")
