"""CloudFormation stacks: what they are, making them so, and removing them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError
from ocr_retrain.installation.account import error_message

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef

_POLL_SECONDS = 5.0
_UNDER_WAY = "_IN_PROGRESS"
_NEVER_DEPLOYED = "REVIEW_IN_PROGRESS"
_BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
# Such a stack can only be deleted.
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")


@dataclass(frozen=True)
class DeployedStack:
    """A stack that exists: its state, its parameters' values and its outputs."""

    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def is_deployed(self) -> bool:
        """Tell whether it was created completely at some time."""
        return self.status != _NEVER_DEPLOYED and self.status not in DEAD

    def output(self, name: str) -> str:
        """Return an output; raises UserError when the stack has none of that name."""
        value = self.outputs.get(name)
        if not value:
            raise UserError(f"Stack {self.name} has no output {name} ({self.status}).")
        return value


def find_stack(cloudformation: CloudFormationClient, name: str) -> DeployedStack | None:
    """Return the stack ``name``, None when there is none."""
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error_message(error):
            return None
        raise
    return DeployedStack(
        name=found["StackName"],
        status=str(found["StackStatus"]),
        parameters={
            item.get("ParameterKey", ""): item.get("ParameterValue", "")
            for item in found.get("Parameters", [])
        },
        outputs={
            item.get("OutputKey", ""): item.get("OutputValue", "")
            for item in found.get("Outputs", [])
        },
    )


def ensure_stack(
    cloudformation: CloudFormationClient,
    name: str,
    template: Path,
    parameters: Mapping[str, str],
    on_progress: Callable[[str], None],
) -> DeployedStack:
    """Create the stack, or update it where it differs; raises UserError when that fails."""
    existing = wait_for_stack(cloudformation, name, on_progress)
    if existing is not None and existing.status in DEAD:
        on_progress(f"removing stack {name}, which was left as {existing.status}")
        delete_stack(cloudformation, name, on_progress)
        existing = None
    text = template.read_text(encoding="utf-8")
    given: Sequence[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    change = cloudformation.create_stack if existing is None else cloudformation.update_stack
    try:
        change(
            StackName=name,
            TemplateBody=text,
            Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )
    except ClientError as error:
        if existing is not None and "No updates are to be performed" in error_message(error):
            return existing
        raise
    done = wait_for_stack(cloudformation, name, on_progress)
    if done is None or done.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise UserError(
            f"Stack {name} is {done.status if done else 'gone'}: {why(cloudformation, name)}"
        )
    return done


def delete_stack(
    cloudformation: CloudFormationClient, name: str, on_progress: Callable[[str], None]
) -> list[str]:
    """Delete the stack; what it cannot delete stays and is returned by its logical names.

    Raises UserError when the stack is still there afterwards.
    """
    if wait_for_stack(cloudformation, name, on_progress) is None:
        return []
    cloudformation.delete_stack(StackName=name)
    left = wait_for_stack(cloudformation, name, on_progress)
    if left is None:
        return []
    stuck = _not_deleted(cloudformation, name)
    if stuck:
        on_progress(f"{', '.join(stuck)} stays. {why(cloudformation, name)}")
        cloudformation.delete_stack(StackName=name, RetainResources=stuck)
        left = wait_for_stack(cloudformation, name, on_progress)
    if left is not None:
        raise UserError(f"Stack {name} is {left.status}: {why(cloudformation, name)}")
    return stuck


def wait_for_stack(
    cloudformation: CloudFormationClient, name: str, on_progress: Callable[[str], None]
) -> DeployedStack | None:
    """Return the stack when nothing is under way in it any more, None when it is gone."""
    told = ""
    while True:
        stack = find_stack(cloudformation, name)
        if stack is None or stack.status == "DELETE_COMPLETE":
            return None
        if stack.status == _NEVER_DEPLOYED or not stack.status.endswith(_UNDER_WAY):
            return stack
        if stack.status != told:
            told = stack.status
            on_progress(f"stack {name}: {told}")
        time.sleep(_POLL_SECONDS)


def why(cloudformation: CloudFormationClient, name: str) -> str:
    """Return the first reason for which the stack's last change failed."""
    first = ""
    # The newest event comes first.
    for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
        status = str(event.get("ResourceStatus", ""))
        reason = event.get("ResourceStatusReason", "")
        is_stack = event.get("PhysicalResourceId") == event["StackId"]
        if is_stack and status in _BEGINNINGS:
            break
        # Others were only stopped because of it.
        if status.endswith("_FAILED") and reason and "cancelled" not in reason:
            first = f"{event.get('LogicalResourceId', '')}: {reason}"
    return first or "its events in the CloudFormation console tell more."


def _not_deleted(cloudformation: CloudFormationClient, name: str) -> list[str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return [
        item["LogicalResourceId"]
        for page in pages
        for item in page["StackResourceSummaries"]
        if item["ResourceStatus"] == "DELETE_FAILED"
    ]
