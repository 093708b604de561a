"""Reading executions of a state machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError
from ocr_retrain.history import History, read_history

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

_LISTED_PER_CALL = 100


@dataclass(frozen=True)
class Execution:
    """One execution; ``input`` and ``output`` are JSON texts, empty when there is none (yet)."""

    arn: str
    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    input: str = ""
    output: str = ""
    error: str = ""
    cause: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status not in ("RUNNING", "PENDING_REDRIVE")


def list_executions(
    stepfunctions: SFNClient, state_machine_arn: str, limit: int = _LISTED_PER_CALL
) -> list[Execution]:
    """Return the latest ``limit`` executions, newest first, without input and output."""
    pages = stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=state_machine_arn,
        PaginationConfig={"MaxItems": limit, "PageSize": min(limit, _LISTED_PER_CALL)},
    )
    found = [
        Execution(
            arn=item["executionArn"],
            name=item["name"],
            status=item["status"],
            started_at=item["startDate"],
            ended_at=item.get("stopDate"),
        )
        for page in pages
        for item in page["executions"]
    ]
    return sorted(found, key=lambda execution: execution.started_at, reverse=True)


def describe_execution(stepfunctions: SFNClient, arn: str) -> Execution:
    """Return one execution; raises UserError when there is none of that ARN."""
    try:
        found = stepfunctions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"].get("Code") in ("ExecutionDoesNotExist", "InvalidArn"):
            raise UserError(
                f"There is no run {arn.rpartition(':')[2]}: `ocr-retrain runs` lists them."
            ) from error
        raise
    return Execution(
        arn=found["executionArn"],
        name=found.get("name", arn.rpartition(":")[2]),
        status=found["status"],
        started_at=found["startDate"],
        ended_at=found.get("stopDate"),
        input=found.get("input", ""),
        output=found.get("output", ""),
        error=found.get("error", ""),
        cause=found.get("cause", ""),
    )


def execution_arn(state_machine_arn: str, name: str) -> str:
    """Return the ARN of the execution ``name`` of a (standard) state machine."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def fetch_events(stepfunctions: SFNClient, arn: str) -> Iterator[HistoryEventTypeDef]:
    """Yield the events of an execution, oldest first."""
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=arn, includeExecutionData=True
    )
    for page in pages:
        yield from page["events"]


def fetch_history(stepfunctions: SFNClient, arn: str) -> History:
    """Return what happened so far in an execution."""
    return read_history(fetch_events(stepfunctions, arn))
