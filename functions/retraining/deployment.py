"""Decides whether the endpoint must be changed to serve the latest approved model."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from retraining import names
from retraining.async_inference import async_options
from retraining.endpoint import FAILED, IN_SERVICE, Endpoint, look_up, model_exists
from retraining.model_data import has_artefact
from retraining.opening_hours import OpeningHours
from retraining.package_request import SMOKE_TESTED
from retraining.protection import endpoint_options, network, network_identity
from retraining.registry import Package, Registry
from retraining.settings import Settings
from retraining.storage import Bucket
from retraining.update_policy import quiet_alarms, update_policy

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sagemaker import SageMakerClient

DEPLOY, BUSY, ALREADY_SERVING = "deploy", "busy", "already_serving"
TURN_OFF, OFF = "turn_off", "off"
NOTHING_APPROVED, UNUSABLE = "nothing_approved", "unusable"


class Decision(TypedDict):
    """What the Deploy state machine is told. Texts are "" where they do not apply.

    ``previous_config`` is what the endpoint goes back to when the deployment fails; ``notice`` is
    a sentence about what somebody else did to the endpoint, with a space behind it.
    ``replace_endpoint`` says that it can only be deleted and made again. ``model_options`` and
    ``config_options`` are what the parameters add to the requests that make a model and a
    configuration.
    """

    decision: str
    package_arn: str
    package_version: int
    model_name: str
    model_exists: bool
    config_name: str
    previous_config: str
    endpoint_name: str
    endpoint_exists: bool
    endpoint_status: str
    replace_endpoint: bool
    model_options: dict[str, Any]
    config_options: dict[str, Any]
    update_policy: dict[str, Any]
    keep_instance_count: bool
    smoke_tested: bool
    notice: str
    why: str


def find_approved(
    registry: Registry,
    client: "SageMakerClient",
    cloudwatch: "CloudWatchClient",
    bucket: Bucket,
    settings: Settings,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    token: Callable[[], str] = lambda: secrets.token_hex(2),
) -> Decision:
    """Compare the endpoint with the latest approved package and decide what to do."""
    endpoint = look_up(client, settings.endpoint_name)
    package = registry.latest_approved()
    hours = OpeningHours.parse(settings.endpoint_hours, settings.endpoint_time_zone)
    decision: Decision = {
        "decision": NOTHING_APPROVED,
        "package_arn": "",
        "package_version": 0,
        "model_name": "",
        "model_exists": False,
        "config_name": "",
        "previous_config": endpoint.config,
        "endpoint_name": settings.endpoint_name,
        "endpoint_exists": endpoint.exists,
        "endpoint_status": endpoint.status,
        "replace_endpoint": _must_be_made_anew(endpoint, settings),
        "model_options": network(settings),
        "config_options": {**endpoint_options(settings), **async_options(settings)},
        "update_policy": {},
        # Without an instance nobody could test the new version.
        "keep_instance_count": settings.endpoint_scales and not settings.endpoint_async,
        "smoke_tested": False,
        "notice": "",
        "why": f"No model in group {registry.group} is approved.",
    }
    if package is not None:
        decision["package_arn"] = package.arn
        decision["package_version"] = package.version
    if hours is not None and not hours.is_open(now()):
        decision["decision"] = _turned_off(endpoint)
        decision["why"] = hours.sentence(now())
        return decision
    if package is None:
        return decision
    prefix = settings.prefix
    model = names.model(
        prefix, package.version, package.arn, package.created_at, network_identity(settings)
    )
    decision["model_name"] = model
    decision["config_name"] = names.endpoint_config(prefix, package.version, now(), token())
    decision["smoke_tested"] = SMOKE_TESTED in package.metadata
    decision["decision"], decision["why"] = _decide(endpoint, package, model, settings)
    if decision["decision"] == ALREADY_SERVING:
        decision["config_name"] = endpoint.config
    if decision["decision"] != DEPLOY:
        return decision
    if not has_artefact(package, bucket):
        decision["decision"] = UNUSABLE
        decision["why"] = f"There is no model of version {package.version} at {package.model_data}."
        return decision
    decision["model_exists"] = model_exists(client, model)
    decision["notice"] = _notice(endpoint, settings)
    alarms = quiet_alarms(cloudwatch, settings.rollback_alarms)
    decision["update_policy"] = update_policy(settings, alarms, _will_run(endpoint, settings))
    return decision


def _turned_off(endpoint: Endpoint) -> str:
    if not endpoint.exists:
        return OFF
    return BUSY if endpoint.is_busy else TURN_OFF


def _decide(
    endpoint: Endpoint, package: Package, model: str, settings: Settings
) -> tuple[str, str]:
    version = f"version {package.version}"
    if not endpoint.exists:
        return DEPLOY, f"There is no endpoint; {version} will be its model."
    if endpoint.is_busy:
        return BUSY, f"The endpoint is {endpoint.status}; try again when it has settled."
    if endpoint.status == FAILED:
        reason = endpoint.failure or "no reason was given"
        return DEPLOY, (
            f"The endpoint has failed ({reason}) and cannot be updated; it must be deleted and "
            f"made again with {version}."
        )
    if endpoint.status != IN_SERVICE:
        return DEPLOY, f"The endpoint is {endpoint.status}; {version} will be deployed again."
    if not _serves(endpoint, package, model, settings.prefix):
        served = endpoint.model_name or "another model"
        return DEPLOY, f"The endpoint serves {served}, not {version}."
    differs = _differs(endpoint, settings)
    if differs:
        return DEPLOY, f"The endpoint serves {version}, but {differs}."
    return ALREADY_SERVING, f"The endpoint serves {version} already."


def _serves(endpoint: Endpoint, package: Package, model: str, prefix: str) -> bool:
    if endpoint.variants != 1:
        return False
    if endpoint.model_name == model:
        return True
    # A model made by hand from the package serves it as well. One of our own names with another
    # hash does not: it is from a group of the same name that has been deleted since.
    return endpoint.package_arn == package.arn and not names.is_model_of(
        prefix, endpoint.model_name
    )


def _differs(endpoint: Endpoint, settings: Settings) -> str:
    wanted = settings.endpoint_instance_type
    if wanted and endpoint.instance_type != wanted:
        return f"on {endpoint.instance_type or 'no instances'} instead of {wanted}"
    if not settings.endpoint_scales and endpoint.instances != settings.endpoint_instance_count:
        return f"on {endpoint.instances} instances instead of {settings.endpoint_instance_count}"
    if endpoint.volume_key != endpoint_options(settings).get("KmsKeyId", ""):
        return "with another key for its volumes"
    if endpoint.capture_percent != settings.data_capture_percent:
        return (
            f"with {endpoint.capture_percent} % of its requests captured instead of "
            f"{settings.data_capture_percent} %"
        )
    wanted_async = async_options(settings).get("AsyncInferenceConfig", {})
    if bool(endpoint.async_config) != settings.endpoint_async:
        return "at once instead of asynchronously" if wanted_async else "asynchronously"
    if endpoint.async_config != wanted_async:
        return "with other settings for asynchronous requests"
    return ""


def _must_be_made_anew(endpoint: Endpoint, settings: Settings) -> bool:
    """Tell whether an update would not do: what failed, and what answers in the other way."""
    if endpoint.status == FAILED:
        return True
    is_other = bool(endpoint.async_config) != settings.endpoint_async
    return endpoint.status == IN_SERVICE and is_other


def _will_run(endpoint: Endpoint, settings: Settings) -> int:
    """Tell how many instances an update starts: as many as now where the load decides."""
    keeps = settings.endpoint_scales and not settings.endpoint_async
    return (keeps and endpoint.instances) or settings.endpoint_instance_count


def _notice(endpoint: Endpoint, settings: Settings) -> str:
    """Tell what was not done by a deployment of ours."""
    if not endpoint.exists:
        return ""
    if not names.is_endpoint_config_of(settings.prefix, endpoint.config):
        return (
            f"The endpoint was changed by hand: it used the configuration {endpoint.config}, "
            "which is not of a deployment. "
        )
    differs = _differs(endpoint, settings)
    return f"The endpoint ran {differs}. " if differs else ""
