"""Reads evaluation.json, which the evaluation job wrote."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retraining.promotion import Slice

_Count = Annotated[int, Field(ge=0)]


class EvaluationError(Exception):
    """The evaluation job wrote something that cannot be judged."""


class _Paired(BaseModel):
    both_right: _Count
    only_champion_right: _Count
    only_candidate_right: _Count
    both_wrong: _Count


class _Metrics(BaseModel):
    # Of a slice without a readable line there is none.
    exact_match: Annotated[float, Field(ge=0.0, le=1.0)] | None = None


class _Slice(BaseModel):
    name: str
    kind: Literal["new", "old", "golden"]
    lines: _Count
    champion: _Metrics | None = None
    candidate: _Metrics
    paired: _Paired | None = None


class _Evaluation(BaseModel):
    model_config = ConfigDict(extra="ignore")

    run_id: str
    slices: list[_Slice]


def slices_of(content: Mapping[str, Any], run_id: str) -> tuple[Slice, ...]:
    """Read the slices of a run's evaluation.

    Raises EvaluationError when the file is of another run or does not have the agreed shape.
    """
    try:
        evaluation = _Evaluation.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise EvaluationError(
            f"evaluation.json of run {run_id} cannot be judged ({where}: {fault['msg']}); "
            "look at the evaluation job's log."
        ) from error
    if evaluation.run_id != run_id:
        raise EvaluationError(
            f"evaluation.json is of run {evaluation.run_id}, not of {run_id}; run it again."
        )
    return tuple(_slice(each) for each in evaluation.slices)


def _slice(given: _Slice) -> Slice:
    if given.champion is not None and given.paired is not None:
        return Slice(given.name, given.kind, **given.paired.model_dump())
    right = round((given.candidate.exact_match or 0.0) * given.lines)
    return Slice(
        name=given.name,
        kind=given.kind,
        both_right=0,
        only_champion_right=0,
        only_candidate_right=right,
        both_wrong=given.lines - right,
        has_champion=False,
    )
