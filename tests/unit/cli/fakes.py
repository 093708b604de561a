"""Executions as boto3 tells of them, without Step Functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

ARN = "arn:aws:states:eu-west-1:210987654321"
RUN = "20261120-091402-3fa9c1"
DEPLOY = f"{ARN}:execution:ocr-retrain-deploy:{RUN}-deploy-0"
_HISTORIES = Path(__file__).parent / "histories"


def load_events(name: str) -> list[HistoryEventTypeDef]:
    """Return what GetExecutionHistory answered, by name of the recording."""
    events = json.loads((_HISTORIES / f"{name}.json").read_text())
    for event in events:
        event["timestamp"] = datetime.fromisoformat(event["timestamp"])
    recorded: list[HistoryEventTypeDef] = events
    return recorded


@dataclass
class FakeExecution:
    """An execution whose history grows by one recording each time it is looked at."""

    name: str
    histories: list[list[HistoryEventTypeDef]]
    status: str = "SUCCEEDED"
    output: str = ""
    cause: str = ""
    input: str = '{"datasets": ["receipts-week-46"]}'
    started: datetime = datetime(2026, 11, 20, 9, 14, 3, tzinfo=UTC)
    state_machine: str = "ocr-retrain-retrain"
    looks: int = 0

    @property
    def arn(self) -> str:
        return f"{ARN}:execution:{self.state_machine}:{self.name}"

    @property
    def is_over(self) -> bool:
        return self.looks >= len(self.histories) and self.status != "RUNNING"

    def listed(self) -> dict[str, object]:
        item = {
            "executionArn": self.arn,
            "name": self.name,
            "status": self.status if self.is_over else "RUNNING",
            "startDate": self.started,
        }
        return {**item, "stopDate": self.started + timedelta(minutes=20)} if self.is_over else item

    def described(self) -> dict[str, object]:
        item = {**self.listed(), "input": self.input}
        return {**item, "output": self.output, "cause": self.cause} if self.is_over else item


@dataclass
class FakeStepFunctions:
    """Executions of the Retrain and Deploy state machines, as boto3 tells of them."""

    executions: list[FakeExecution] = field(default_factory=list)
    arriving: list[FakeExecution] = field(default_factory=list)
    on_start: Callable[[str], FakeExecution] | None = None

    def start_execution(self, *, name: str, **request: object) -> dict[str, str]:
        assert self.on_start is not None
        self.executions.append(self.on_start(name))
        return {"executionArn": self.executions[-1].arn}

    def describe_execution(self, *, executionArn: str) -> dict[str, object]:
        for execution in self.executions:
            if execution.arn == executionArn:
                execution.looks += 1
                return execution.described()
        raise ClientError(
            {"Error": {"Code": "ExecutionDoesNotExist", "Message": "no such execution"}},
            "DescribeExecution",
        )

    def get_paginator(self, operation: str) -> FakePaginator:
        return FakePaginator(self, operation)


@dataclass
class FakePaginator:
    """The paginators of ListExecutions and GetExecutionHistory."""

    owner: FakeStepFunctions
    operation: str

    def paginate(self, **request: object) -> Sequence[dict[str, object]]:
        if self.operation == "get_execution_history":
            execution = next(
                item for item in self.owner.executions if item.arn == request["executionArn"]
            )
            shown = max(min(execution.looks, len(execution.histories)), 1)
            return [{"events": execution.histories[shown - 1]}]
        listed = [
            item.listed()
            for item in self.owner.executions
            if str(request["stateMachineArn"]).endswith(f":{item.state_machine}")
        ]
        # What is to come has come by the next look.
        self.owner.executions += self.owner.arriving
        self.owner.arriving = []
        return [{"executions": listed}]
