from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ocr_retrain.errors import UserError
from ocr_retrain.installation import stacks
from ocr_retrain.installation.account import Account
from ocr_retrain.installation.stacks import delete_stack, ensure_stack

from .installing import make_account

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/one/1"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(stacks, "_POLL_SECONDS", 0.0)
    return make_account(boto3.Session("a", "b", region_name="eu-west-1"))


@pytest.fixture
def stub(account: Account) -> Iterator[Stubber]:
    with Stubber(account.cloudformation) as made:
        yield made
        made.assert_no_pending_responses()


def _is(stub: Stubber, *states: str) -> None:
    for status in states:
        if status == "gone":
            stub.add_client_error(
                "describe_stacks", "ValidationError", "Stack with id one does not exist"
            )
        else:
            stack = {"StackName": "one", "CreationTime": NOW, "StackStatus": status}
            stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "one"})


def _event(name: str, status: str, reason: str, physical: str = "any") -> dict[str, Any]:
    return {
        "StackId": STACK,
        "EventId": "1",
        "StackName": "one",
        "Timestamp": NOW,
        "LogicalResourceId": name,
        "PhysicalResourceId": physical,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def _failed(stub: Stubber, operation: str) -> None:
    """The newest event comes first; the first failure of the last operation is the reason."""
    events = [
        _event("Other", f"{operation}_FAILED", "Resource creation cancelled"),
        _event("Group", f"{operation}_FAILED", "It holds versions."),
        _event("one", f"{operation}_IN_PROGRESS", "User Initiated", STACK),
        _event("Older", "CREATE_FAILED", "Of an operation long ago."),
    ]
    stub.add_response("describe_stack_events", {"StackEvents": events})


def test_what_cannot_be_deleted_stays_and_is_named(account: Account, stub: Stubber) -> None:
    told: list[str] = []
    _is(stub, "UPDATE_COMPLETE")
    stub.add_response("delete_stack", {}, {"StackName": "one"})
    _is(stub, "DELETE_IN_PROGRESS", "DELETE_FAILED")
    resources = [
        {
            "LogicalResourceId": name,
            "ResourceType": "any",
            "LastUpdatedTimestamp": NOW,
            "ResourceStatus": status,
        }
        for name, status in (("Group", "DELETE_FAILED"), ("Other", "DELETE_COMPLETE"))
    ]
    stub.add_response("list_stack_resources", {"StackResourceSummaries": resources})
    _failed(stub, "DELETE")
    stub.add_response("delete_stack", {}, {"StackName": "one", "RetainResources": ["Group"]})
    _is(stub, "gone")

    assert delete_stack(account.cloudformation, "one", told.append) == ["Group"]
    assert told == ["stack one: DELETE_IN_PROGRESS", "Group stays. Group: It holds versions."]


def test_a_stack_that_is_gone_needs_no_deletion(account: Account, stub: Stubber) -> None:
    _is(stub, "gone")

    assert delete_stack(account.cloudformation, "one", lambda line: None) == []


def test_a_creation_that_fails_tells_the_first_reason(
    account: Account, stub: Stubber, tmp_path: Path
) -> None:
    (tmp_path / "template.yaml").write_text("{}")
    _is(stub, "gone")
    stub.add_response("create_stack", {"StackId": STACK})
    _is(stub, "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE")
    _failed(stub, "CREATE")

    with pytest.raises(UserError, match=r"is ROLLBACK_COMPLETE: Group: It holds versions\."):
        ensure_stack(
            account.cloudformation, "one", tmp_path / "template.yaml", {}, lambda line: None
        )


def test_what_a_failed_creation_left_is_removed_before_the_next(
    account: Account, stub: Stubber, tmp_path: Path
) -> None:
    (tmp_path / "template.yaml").write_text("{}")
    _is(stub, "ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE")
    stub.add_response("delete_stack", {}, {"StackName": "one"})
    _is(stub, "gone")
    stub.add_response("create_stack", {"StackId": STACK})
    _is(stub, "CREATE_COMPLETE")

    done = ensure_stack(
        account.cloudformation, "one", tmp_path / "template.yaml", {}, lambda line: None
    )
    assert done.status == "CREATE_COMPLETE"


def test_an_update_without_changes_is_no_failure(
    account: Account, stub: Stubber, tmp_path: Path
) -> None:
    (tmp_path / "template.yaml").write_text("{}")
    _is(stub, "UPDATE_COMPLETE")
    stub.add_client_error("update_stack", "ValidationError", "No updates are to be performed.")

    done = ensure_stack(
        account.cloudformation, "one", tmp_path / "template.yaml", {}, lambda line: None
    )
    assert done.status == "UPDATE_COMPLETE"
