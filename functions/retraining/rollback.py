"""Finds out why an endpoint does not serve what it was asked to, and what follows from that."""

from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from retraining.deployment import ALREADY_SERVING
from retraining.endpoint import IN_SERVICE, Endpoint, is_missing, look_up
from retraining.endpoint_faults import is_of_the_model
from retraining.package_request import APPROVED, SMOKE_TESTED, one_line
from retraining.registry import Package, Registry

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

# An ApprovalDescription holds 1024.
_LONGEST_REASON = 1000

REJECT, LOOK_AGAIN, KEEP, SERVING = "reject", "look_again", "keep", "serving"


class Attempt(BaseModel):
    """A deployment as it was begun; ``smoke_fault`` is "" unless its smoke test failed.

    ``decision`` is what was decided when the endpoint was looked at first.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    package_arn: str
    package_version: int
    config_name: str
    previous_config: str
    endpoint_name: str
    smoke_fault: str = ""
    decision: str = ""


class Finding(TypedDict):
    """What to do now, and a sentence for people.

    ``reject``: the model is at fault. ``keep``: it is not, and the deployment has failed all the
    same. ``look_again``: somebody else has changed endpoint or package. ``serving``: all is well.
    """

    finding: str
    reason: str


def find_out_why(attempt: Attempt, registry: Registry, client: "SageMakerClient") -> Finding:
    """Judge a deployment that did not end as it should; the registry takes the reason as it is."""
    found = _judge(attempt, registry, client)
    return {**found, "reason": one_line(found["reason"], _LONGEST_REASON)}


def _judge(attempt: Attempt, registry: Registry, client: "SageMakerClient") -> Finding:
    endpoint = look_up(client, attempt.endpoint_name)
    package = _still_approved(attempt, registry)
    if package is None:
        reason = f"Version {attempt.package_version} is not approved any more."
        return {"finding": LOOK_AGAIN, "reason": reason}
    if not endpoint.exists or endpoint.is_busy or _is_taken_over(attempt, endpoint):
        state = endpoint.status or "gone"
        return {"finding": LOOK_AGAIN, "reason": f"The endpoint was changed meanwhile: {state}."}
    if endpoint.status == IN_SERVICE and endpoint.config == attempt.config_name:
        return _after_smoke_test(attempt, package, registry)
    reason = (
        f"The endpoint did not accept version {attempt.package_version}: it is {endpoint.status} "
        f"on {endpoint.config}. {endpoint.failure or _SILENT}"
    )
    return {"finding": REJECT if is_of_the_model(endpoint.failure) else KEEP, "reason": reason}


_SILENT = (
    "SageMaker gave no reason, which it does when containers stay unhealthy; approve the version "
    "again if the account only lacked instances."
)


def _after_smoke_test(attempt: Attempt, package: Package, registry: Registry) -> Finding:
    if not attempt.smoke_fault:
        return {"finding": SERVING, "reason": ""}
    version = f"Version {attempt.package_version}"
    failed = f"{version} failed its smoke test"
    if package.metadata.get(SMOKE_TESTED):
        # Else one wrong golden label would reject all versions, one after the other.
        return {
            "finding": KEEP,
            "reason": (
                f"{version} fails its smoke test, which it passed before; it serves all the same. "
                f"Look at what was changed in golden/. {attempt.smoke_fault}"
            ),
        }
    if attempt.decision == ALREADY_SERVING:
        # It was accepted before this deployment began: to take it away is for people to decide.
        kept = "was serving before, so it is not rejected"
        return {"finding": KEEP, "reason": f"{failed}, but {kept}. {attempt.smoke_fault}"}
    if registry.is_only_approved(package.arn):
        # Nothing could take its place; the endpoint would serve it all the same.
        kept = "is the only approved one, so it is not rejected"
        return {"finding": KEEP, "reason": f"{failed}, but {kept}. {attempt.smoke_fault}"}
    return {"finding": REJECT, "reason": f"{failed}. {attempt.smoke_fault}"}


def _is_taken_over(attempt: Attempt, endpoint: Endpoint) -> bool:
    return endpoint.config not in {attempt.config_name, attempt.previous_config}


def _still_approved(attempt: Attempt, registry: Registry) -> Package | None:
    try:
        package = registry.describe(attempt.package_arn)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return package if package.approval_status == APPROVED else None
