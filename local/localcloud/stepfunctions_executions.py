"""Repair: starting, stopping, describing and reading Step Functions executions.

moto names an unnamed execution ``None``, may start two for one name when asked twice at once,
loses the error and cause of StopExecution, answers it before anything stopped and goes on with an
execution that is stopped in its first moment, hides the end of timed-out executions, and ignores
``reverseOrder``, ``maxResults`` and ``nextToken`` of GetExecutionHistory. AWS also announces each
change of status on EventBridge, moto does not.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ExecutionDoesNotExist, ValidationException
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend.execution import (
    BaseExecutionWorkerCommunication,
    Execution,
)
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud.context import CloudContext
from localcloud.eventbridge_bus import EventBus
from localcloud.timestamps import epoch_milliseconds, now
from localcloud.untyped import Moto

_NAME = re.compile(r"^[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}$")
_HISTORY_PAGE = 1000
_PAYLOAD_LIMIT = 248 * 1024
_BEGIN_SECONDS = 30.0
_BEGIN_POLL_SECONDS = 0.01

# One lock for all: an execution's name is checked and taken, and its end announced, only once.
_lock = threading.RLock()


def install(context: CloudContext) -> None:
    """Repair the backend and the responses, and announce changes on the default event bus."""
    bus = EventBus.of(context)
    StepFunctionsParserBackend.start_execution = _starting(
        StepFunctionsParserBackend.start_execution, bus
    )
    BaseExecutionWorkerCommunication.terminated = _terminating(bus)
    StepFunctionResponse.stop_execution = _stopping(bus)
    StepFunctionResponse.describe_execution = _describe_execution
    StepFunctionResponse.list_executions = _list_executions
    StepFunctionResponse.get_execution_history = _get_execution_history


def _starting(original: Callable[..., Any], bus: EventBus) -> Callable[..., Any]:
    def start_execution(
        self: Moto,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Moto:
        name = name or str(uuid.uuid4())
        if not _NAME.match(name):
            raise ValidationException(f"Invalid Name: '{name}'")
        with _lock:
            known = len(self.describe_state_machine(state_machine_arn).executions)
            execution = original(self, state_machine_arn, name, execution_input, trace_header)
            is_new = len(self.describe_state_machine(state_machine_arn).executions) > known
        if is_new:
            _announce(bus, execution, ExecutionStatus.RUNNING)
        return execution

    return start_execution


def _terminating(bus: EventBus) -> Callable[[Any], None]:
    def terminated(self: Moto) -> None:
        execution = self.execution
        with _lock:
            if execution.exec_status != ExecutionStatus.RUNNING:
                return  # stopped, and announced, while a task was still at work
            self._reflect_execution_status()
            if execution.exec_status == ExecutionStatus.ABORTED:
                state = execution.exec_worker.env.program_state()
                execution.error, execution.cause = state.error or None, state.cause or None
        _announce(bus, execution, execution.exec_status)

    return terminated


def _stopping(bus: EventBus) -> Callable[[Any], Any]:
    def stop_execution(self: Moto) -> Moto:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        error, cause = self._get_param("error"), self._get_param("cause")
        with _lock:
            stopped_now = execution.exec_status == ExecutionStatus.RUNNING
            if stopped_now:
                execution.stop_date = now()
                execution.error, execution.cause = error, cause
                execution.exec_status = ExecutionStatus.ABORTED
        if stopped_now:
            if _has_begun(execution.exec_worker):
                execution.stop(stop_date=execution.stop_date, error=error, cause=cause)
            _announce(bus, execution, ExecutionStatus.ABORTED)
        return ActionResult({"stopDate": execution.stop_date})

    return stop_execution


def _has_begun(worker: Moto) -> bool:
    """Wait until the worker can be stopped: before its first state is chosen it cannot."""
    deadline = time.monotonic() + _BEGIN_SECONDS
    while not _is_stoppable(worker) and time.monotonic() < deadline:
        time.sleep(_BEGIN_POLL_SECONDS)
    return _is_stoppable(worker)


def _is_stoppable(worker: Moto) -> bool:
    # moto makes the environment first and its state when it enters the program; a stop between
    # the two is silently ignored.
    return worker.env is not None and worker.env.program_state() is not None


def _describe_execution(self: Moto) -> Moto:
    arn = self._get_param("executionArn")
    execution = self.stepfunction_backend.describe_execution(arn)
    with _lock:
        description = {
            "executionArn": arn,
            "stateMachineArn": execution.state_machine_arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.start_date,
            "stopDate": execution.stop_date,
            "input": execution.execution_input,
            "inputDetails": {"included": True},
            "error": execution.error,
            "cause": execution.cause,
            "redriveCount": 0,
        }
        if execution.exec_status == ExecutionStatus.SUCCEEDED:
            description["output"] = _output(execution)
            description["outputDetails"] = {"included": True}
    return ActionResult({key: value for key, value in description.items() if value is not None})


def _list_executions(self: Moto) -> Moto:
    arn = self._get_param("stateMachineArn")
    executions, next_token = self.stepfunction_backend.list_executions(
        arn,
        status_filter=self._get_param("statusFilter"),
        max_results=self._get_int_param("maxResults"),
        next_token=self._get_param("nextToken"),
    )
    summaries = [
        {
            "executionArn": execution.execution_arn,
            "stateMachineArn": arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.start_date,
            **({"stopDate": execution.stop_date} if execution.stop_date else {}),
        }
        for execution in executions
    ]
    return ActionResult({"executions": summaries, "nextToken": next_token})


def _get_execution_history(self: Moto) -> Moto:
    backend = self.stepfunction_backend
    arn = self._get_param("executionArn")
    execution = backend.describe_execution(arn)
    if not isinstance(execution, Execution):
        raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{arn}'")
    events = list(backend.get_execution_history(arn)["events"])
    if self._get_param("reverseOrder"):
        events.reverse()
    page = int(self._get_param("maxResults") or _HISTORY_PAGE) or _HISTORY_PAGE
    first = int(self._get_param("nextToken") or 0)
    answer: dict[str, Any] = {"events": events[first : first + page]}
    if first + page < len(events):
        answer["nextToken"] = str(first + page)
    return ActionResult(answer)


def _output(execution: Moto) -> str:
    return json.dumps(execution.output, separators=(",", ":"), default=str)


def _announce(bus: EventBus, execution: Moto, status: Moto) -> None:
    """Put what AWS puts on the event bus; executions started by tests of moto's own have none."""
    succeeded = status == ExecutionStatus.SUCCEEDED
    ended = status != ExecutionStatus.RUNNING
    detail: dict[str, Any] = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": str(status.value),
        "startDate": epoch_milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date) if ended else None,
        "input": execution.execution_input,
        "inputDetails": {"included": True},
        "output": _output(execution) if succeeded else None,
        "outputDetails": {"included": True} if succeeded else None,
        "error": execution.error if ended else None,
        "cause": execution.cause if ended else None,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE" if not ended or succeeded else "REDRIVABLE",
        "redriveStatusReason": f"Execution is {status.value} and cannot be redriven"
        if not ended or succeeded
        else None,
    }
    if len(detail["input"]) + len(detail["output"] or "") > _PAYLOAD_LIMIT:
        detail |= {"input": None, "inputDetails": {"included": False}}
        if succeeded:
            detail |= {"output": None, "outputDetails": {"included": False}}
    bus.emit(
        source="aws.states",
        detail_type="Step Functions Execution Status Change",
        detail=detail,
        resources=[execution.exec_arn],
    )


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else epoch_milliseconds(moment)
