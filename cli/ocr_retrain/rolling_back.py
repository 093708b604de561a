"""Going back to the version before: what would be done, and doing it until it serves."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ocr_retrain.errors import UserError
from ocr_retrain.executions import Execution, list_executions
from ocr_retrain.exits import ExitCode
from ocr_retrain.model_registry import (
    Approval,
    ListedPackage,
    describe_endpoint,
    list_packages,
    set_approval,
    version_in,
)
from ocr_retrain.terminal import note
from ocr_retrain.watching import show_until_end

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud

# EventBridge mostly needs a second or two; afterwards nobody is made to wait for it.
_EVENT_SECONDS = 20.0
_LAST_DEPLOYMENTS = 20
# Clocks here and there may differ a little.
_CLOCKS = timedelta(seconds=5)


@dataclass(frozen=True)
class Rollback:
    """``bad`` is the version to leave, ``good`` the one to serve instead."""

    bad: ListedPackage
    good: ListedPackage
    serving: int | None


def plan_rollback(cloud: Cloud) -> Rollback:
    """Find the latest approved version and the one before it.

    Raises UserError when there is nothing to go back to.
    """
    approved = list_packages(cloud.sagemaker, cloud.stack.model_package_group, Approval.APPROVED)
    if not approved:
        raise UserError(
            "No version is approved, so there is nothing to go back from: `ocr-retrain models` "
            "lists the versions, `ocr-retrain approve VERSION` puts one live."
        )
    if len(approved) == 1:
        raise UserError(
            f"Version {approved[0].version} is the only approved one: approve another first "
            "(`ocr-retrain models` lists them), or there would be nothing to serve."
        )
    endpoint = describe_endpoint(cloud.sagemaker, cloud.stack.endpoint)
    served = endpoint.package_arn if endpoint else ""
    return Rollback(approved[0], approved[1], version_in(served))


def roll_back(cloud: Cloud, plan: Rollback, reason: str) -> None:
    """Reject the bad version and wait until the good one has passed its smoke test and serves.

    Raises UserError when the deployment fails.
    """
    since = datetime.now(UTC) - _CLOCKS
    known = {each.arn for each in _deployments(cloud, since)}
    set_approval(cloud.sagemaker, plan.bad, Approval.REJECTED, reason)
    note(f"Version {plan.bad.version} is Rejected; version {plan.good.version} is deployed:")
    arn = _started_by_event(cloud, since, known) or _start(cloud)
    execution = show_until_end(cloud, arn).execution
    if execution.status != "SUCCEEDED":
        raise UserError(
            f"The deployment failed: {execution.cause or execution.error or execution.status} "
            f"Version {plan.bad.version} stays Rejected; `ocr-retrain models` shows what serves.",
            ExitCode.FAILED,
        )
    endpoint = describe_endpoint(cloud.sagemaker, cloud.stack.endpoint)
    off = cloud.stack.off_until(datetime.now(UTC))
    if endpoint is None and off:
        note(f"{off} It serves version {plan.good.version} then.")
        return
    if endpoint is None or endpoint.package_arn != plan.good.arn:
        raise UserError(
            f"The deployment ended well, but version {plan.good.version} does not serve: another "
            "version was approved or rejected meanwhile. `ocr-retrain models` shows them.",
            ExitCode.FAILED,
        )


def _started_by_event(cloud: Cloud, since: datetime, known: Collection[str]) -> str | None:
    deadline = time.monotonic() + _EVENT_SECONDS
    while time.monotonic() < deadline:
        new = [each.arn for each in _deployments(cloud, since) if each.arn not in known]
        if new:
            return new[0]
        time.sleep(max(cloud.poll_seconds, 0.01))
    return None


def _deployments(cloud: Cloud, since: datetime) -> list[Execution]:
    listed = list_executions(
        cloud.stepfunctions, cloud.stack.deploy_state_machine, _LAST_DEPLOYMENTS
    )
    return [each for each in listed if each.started_at >= since]


def _start(cloud: Cloud) -> str:
    started = cloud.stepfunctions.start_execution(
        stateMachineArn=cloud.stack.deploy_state_machine,
        name=f"rollback-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        input="{}",
    )
    return started["executionArn"]
