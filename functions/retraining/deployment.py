"""Decides whether the endpoint must be changed to serve the latest approved model."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError

from retraining import names
from retraining.registry import Package, Registry

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class Decision(TypedDict):
    """What the Deploy state machine is told. Texts are "" where they do not apply."""

    decision: str
    package_arn: str
    package_version: int
    model_name: str
    config_name: str
    endpoint_name: str
    endpoint_exists: bool
    endpoint_status: str
    why: str


@dataclass(frozen=True)
class Endpoint:
    """The endpoint as it is; ``package_arn`` is "" when its model is of no package."""

    status: str
    model_name: str = ""
    package_arn: str = ""
    failure: str = ""

    @property
    def exists(self) -> bool:
        """Tell whether there is an endpoint at all."""
        return self.status != ""


def find_approved(
    registry: Registry,
    client: "SageMakerClient",
    *,
    prefix: str,
    endpoint_name: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    token: Callable[[], str] = lambda: secrets.token_hex(2),
) -> Decision:
    """Compare the endpoint with the latest approved package and decide what to do."""
    endpoint = _look_up(client, endpoint_name)
    package = registry.latest_approved()
    decision: Decision = {
        "decision": "nothing_approved",
        "package_arn": "",
        "package_version": 0,
        "model_name": "",
        "config_name": "",
        "endpoint_name": endpoint_name,
        "endpoint_exists": endpoint.exists,
        "endpoint_status": endpoint.status,
        "why": f"No model in group {registry.group} is approved.",
    }
    if package is None:
        return decision
    model = names.model(prefix, package.version, package.arn, package.created_at)
    decision["package_arn"] = package.arn
    decision["package_version"] = package.version
    decision["model_name"] = model
    decision["config_name"] = names.endpoint_config(prefix, package.version, now(), token())
    decision["decision"], decision["why"] = _decide(endpoint, package, model, prefix)
    return decision


def _decide(endpoint: Endpoint, package: Package, model: str, prefix: str) -> tuple[str, str]:
    version = f"version {package.version}"
    if not endpoint.exists:
        return "deploy", f"There is no endpoint yet; {version} will be its first model."
    if endpoint.status in _BUSY:
        return "busy", f"The endpoint is {endpoint.status}; try again when it has settled."
    if endpoint.status == "Failed":
        reason = endpoint.failure or "no reason was given"
        return "deploy", (
            f"The endpoint has failed ({reason}) and cannot be updated; it must be deleted and "
            f"made again with {version}."
        )
    if endpoint.status != "InService":
        return "deploy", f"The endpoint is {endpoint.status}; {version} will be deployed again."
    if _serves(endpoint, package, model, prefix):
        return "already_serving", f"The endpoint serves {version} already."
    return "deploy", f"The endpoint serves {endpoint.model_name or 'another model'}, not {version}."


def _serves(endpoint: Endpoint, package: Package, model: str, prefix: str) -> bool:
    if endpoint.model_name == model:
        return True
    # A model made by hand from the package serves it as well. One of our own names with another
    # hash does not: it is from a group of the same name that has been deleted since.
    return endpoint.package_arn == package.arn and not names.is_model_of(
        prefix, endpoint.model_name
    )


def _look_up(client: "SageMakerClient", endpoint_name: str) -> Endpoint:
    try:
        found = client.describe_endpoint(EndpointName=endpoint_name)
    except ClientError as error:
        if _not_found(error):
            return Endpoint(status="")
        raise
    status, failure = found["EndpointStatus"], found.get("FailureReason", "")
    try:
        config = client.describe_endpoint_config(
            EndpointConfigName=found.get("EndpointConfigName", "")
        )
        model = config["ProductionVariants"][0].get("ModelName", "")
        package = _package_of(client, model)
    except ClientError as error:
        # Somebody deleted the configuration or the model: whatever is served, it is to be replaced.
        if not _not_found(error):
            raise
        model, package = "", ""
    return Endpoint(status, model, package, failure)


def _package_of(client: "SageMakerClient", model: str) -> str:
    found = client.describe_model(ModelName=model)
    containers = [found.get("PrimaryContainer", {}), *found.get("Containers", [])]
    return next((each["ModelPackageName"] for each in containers if "ModelPackageName" in each), "")


def _not_found(error: ClientError) -> bool:
    about = error.response["Error"]
    return about["Code"] in {"ValidationException", "ResourceNotFound"} and (
        "could not find" in about["Message"].lower() or "does not exist" in about["Message"].lower()
    )
