"""What the announcing function is given: by a state machine, or by EventBridge. Pure.

A state machine that was stopped or ran out of time has no last step that could tell; EventBridge
tells of those.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from retraining.outcomes import as_object

_OUTCOME_OF = {"TIMED_OUT": "Timed out", "ABORTED": "Aborted"}
_REASON_OF = {
    "TIMED_OUT": "The execution took longer than its time limit.",
    "ABORTED": "The execution was stopped by hand.",
}
_STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"


def _or_empty(given: object) -> object:
    return {} if given is None else given


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Problem(_Told):
    """One kind of problem in the data."""

    code: str
    count: int
    first: list[str] = []


class Validation(_Told):
    """What validation found, in short."""

    train_lines: int | None = None
    holdout_lines: int | None = None
    character_notes: list[str] = []
    problems: list[Problem] = []


class Verdict(_Told):
    """The verdict, in short; ``verdict`` is the S3 URI of the whole."""

    reasons: list[str] = []
    verdict: str = ""


class Report(_Told):
    """Where the report lies, and what the run's jobs cost as far as is known, in US dollars."""

    report_uri: str = ""
    estimated_cost: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None


class Result(_Told):
    """What came of an execution; what does not apply is left out."""

    outcome: Annotated[str, Field(min_length=1)]
    reason: str = ""
    package_arn: str = ""
    package_version: int | None = None
    endpoint_name: str = ""
    verdict: Annotated[Verdict, BeforeValidator(_or_empty)] = Verdict()
    validation: Annotated[Validation, BeforeValidator(_or_empty)] = Validation()


class Request(_Told):
    """The end of an execution.

    ``entered_at`` is when its announcing step began: the same for every attempt at it, another one
    when the execution is taken up again later.
    """

    machine: Literal["retrain", "deploy"]
    execution_arn: Annotated[str, Field(pattern=r"^arn:[^\s]+$")]
    started_at: datetime
    entered_at: str = ""
    run_id: str = ""
    datasets: list[str] = []
    input: Annotated[dict[str, Any], BeforeValidator(_or_empty)] = {}
    report: Annotated[Report, BeforeValidator(_or_empty)] = Report()
    result: Result

    @property
    def part_of_run(self) -> str:
        """The ARN of the run whose step this deployment is; "" for one that stands alone."""
        return str(self.input.get(_STARTED_BY) or "") if self.machine == "deploy" else ""

    @property
    def identity(self) -> str:
        """What tells this end of an execution from every other one."""
        return f"{self.execution_arn} {self.result.outcome} {self.entered_at}"


def read(event: Mapping[str, Any]) -> Request:
    """Read what the function was called with.

    Raises pydantic's ValidationError when it is neither a request nor such an event.
    """
    detail = event.get("detail")
    return Request.model_validate(_from_status(detail) if isinstance(detail, dict) else event)


def _from_status(detail: Mapping[str, Any]) -> dict[str, Any]:
    status, given = str(detail.get("status")), as_object(detail.get("input"))
    deploys = str(detail.get("stateMachineArn", "")).endswith("-deploy")
    return {
        "machine": "deploy" if deploys else "retrain",
        "execution_arn": detail.get("executionArn"),
        "started_at": datetime.fromtimestamp(int(detail.get("startDate") or 0) / 1000, UTC),
        "entered_at": str(detail.get("stopDate") or ""),
        "run_id": str(given.get("run_id") or detail.get("name") or ""),
        "datasets": [str(each) for each in given.get("datasets") or []],
        "input": dict(given),
        "result": {
            "outcome": _OUTCOME_OF.get(status, "Failed"),
            "reason": detail.get("cause") or _REASON_OF.get(status, "The execution failed."),
        },
    }
