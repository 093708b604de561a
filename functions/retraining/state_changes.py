"""Reads "Step Functions Execution Status Change" events."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from retraining.executions import Executions, datasets_of
from retraining.outcomes import TERMINAL, Ended, as_object
from retraining.reconcile import Reconciler


class _Detail(BaseModel):
    execution_arn: Annotated[str, Field(alias="executionArn")]
    state_machine_arn: Annotated[str, Field(alias="stateMachineArn")]
    name: str
    status: str
    stop_date: Annotated[int | None, Field(alias="stopDate")] = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None


class StatusChange(BaseModel):
    """The parts of the event that matter here; times are milliseconds since 1970."""

    model_config = ConfigDict(extra="ignore")

    detail: _Detail


def settle(event: StatusChange, executions: Executions, reconciler: Reconciler) -> bool:
    """Take the end of a run into the ledger; tells whether that was news."""
    ended = end_of(event, executions)
    return reconciler.settle(ended) if ended else False


def end_of(event: StatusChange, executions: Executions) -> Ended | None:
    """Tell how the execution ended, or None when it has not ended or is none of ours.

    None as well for a success whose output cannot be had yet: the schedule will look again.
    """
    detail = event.detail
    if detail.status not in TERMINAL or detail.state_machine_arn != executions.state_machine_arn:
        return None
    told = detail.output if detail.status == "SUCCEEDED" else detail.error or detail.cause
    if not told:
        # EventBridge drops what is over 248 kB; Step Functions still has it.
        described = executions.describe(detail.name)
        if described and described.ended:
            return described.ended
        if described and detail.status == "SUCCEEDED":
            # Looking is slower to learn of an end than events are. What came of the run must not
            # be guessed.
            return None
    return Ended(
        run_id=detail.name,
        status=detail.status,
        datasets=datasets_of(as_object(detail.input).get("datasets")),
        output=as_object(detail.output),
        error=detail.error or "",
        cause=detail.cause or "",
        ended_at=_time(detail.stop_date),
    )


def _time(milliseconds: int | None) -> datetime:
    if milliseconds is None:
        return datetime.now(UTC)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
