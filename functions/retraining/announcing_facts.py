"""All that is known of the end of an execution. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from retraining.announcing_next_steps import NextStep
from retraining.announcing_request import Problem

_Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Slice(BaseModel):
    """One evaluation set: shares of its lines that both models read exactly."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    kind: str
    lines: Annotated[int, Field(ge=0)]
    champion_exact_match: _Share | None = None
    candidate_exact_match: _Share
    passed: bool = True


@dataclass(frozen=True)
class Facts:
    """The end of an execution; numbers are None and texts "" where nobody knows.

    ``part_of_run`` names the run that a deployment is a step of. Accuracies are fractions.
    """

    machine: str
    outcome: str
    reason: str
    execution_arn: str
    started_at: datetime
    ended_at: datetime
    run_id: str = ""
    part_of_run: str = ""
    datasets: Sequence[str] = ()
    endpoint_name: str = ""
    package_arn: str = ""
    version: int | None = None
    champion_version: int | None = None
    slices: Sequence[Slice] = ()
    reasons: Sequence[str] = ()
    notes: Sequence[str] = ()
    problems: Sequence[Problem] = ()
    train_lines: int | None = None
    holdout_lines: int | None = None
    estimated_cost: float | None = None
    report_uri: str = ""
    next_steps: Sequence[NextStep] = ()

    @property
    def seconds(self) -> float:
        """How long the execution took."""
        return max(0.0, (self.ended_at - self.started_at) / timedelta(seconds=1))

    @property
    def set_aside(self) -> int:
        """Lines and files that were set aside."""
        return sum(each.count for each in self.problems)
