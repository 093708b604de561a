"""Reads evaluation.json, which the evaluation job wrote."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retraining.measured import Evaluation, Slice

_Count = Annotated[int, Field(ge=0)]
_Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_Milliseconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class EvaluationError(Exception):
    """The evaluation job wrote something that cannot be judged."""


class _Paired(BaseModel):
    both_right: _Count
    only_champion_right: _Count
    only_candidate_right: _Count
    both_wrong: _Count

    @property
    def lines(self) -> int:
        return (
            self.both_right + self.only_champion_right + self.only_candidate_right + self.both_wrong
        )


class _Metrics(BaseModel):
    # Of a slice without a readable line there is none.
    exact_match: _Fraction | None = None
    milliseconds_per_line: _Milliseconds = 0.0


class _Slice(BaseModel):
    name: str
    kind: Literal["new", "old", "golden"]
    lines: _Count
    champion: _Metrics | None = None
    candidate: _Metrics
    paired: _Paired | None = None


class _Champion(BaseModel):
    error: str = ""


class _Evaluation(BaseModel):
    model_config = ConfigDict(extra="ignore")

    run_id: str
    champion: _Champion = _Champion()
    slices: list[_Slice]


def read_evaluation(content: bytes, run_id: str) -> Evaluation:
    """Read a run's evaluation.json.

    Raises EvaluationError when it is damaged, of another run, or does not have the agreed shape.
    """
    try:
        # Not pydantic's own reader: its words for damaged JSON are for programmers.
        evaluation = _Evaluation.model_validate(json.loads(content))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the document"
        raise _unusable(run_id, f"is malformed at {where}: {fault['msg']}") from error
    except (ValueError, RecursionError) as error:
        about = "is empty" if not content.strip() else f"is damaged or cut off: {error}"
        raise _unusable(run_id, about) from error
    if evaluation.run_id != run_id:
        raise _unusable(run_id, f"is of run {evaluation.run_id!r}")
    champion_error = evaluation.champion.error
    for each in evaluation.slices:
        compared = each.paired.lines if each.champion and each.paired else None
        if compared != (None if champion_error else each.lines):
            raise _unusable(
                run_id,
                f"contradicts itself: {each.name} has {each.lines} lines, but "
                f"{compared or 0} were compared",
            )
    return Evaluation(tuple(map(_slice, evaluation.slices)), champion_error)


def no_evaluation(run_id: str) -> EvaluationError:
    """Make the error for an evaluation.json that is not there."""
    return _unusable(run_id, "is missing")


def _unusable(run_id: str, about: str) -> EvaluationError:
    return EvaluationError(
        f"evaluation.json of run {run_id} {about}. Look at the log of the run's evaluation job, "
        "then queue the run's datasets again with `ocr-retrain retry NAME`."
    )


def _slice(given: _Slice) -> Slice:
    if given.champion is not None and given.paired is not None:
        return Slice(
            given.name,
            given.kind,
            **given.paired.model_dump(),
            champion_milliseconds=given.champion.milliseconds_per_line,
            candidate_milliseconds=given.candidate.milliseconds_per_line,
        )
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
