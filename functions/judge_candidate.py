"""Judges the candidate of a run."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients
from retraining.judging import Judged, judge_candidate
from retraining.observability import count, logger, tracer

BUCKET, SETTINGS = clients.bucket(), clients.settings()


class Request(BaseModel):
    """What the state machine gives."""

    run_id: Annotated[str, Field(min_length=1)]


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Judged:
    """Apply the promotion rule to the evaluation of a run."""
    run_id = Request.model_validate(event).run_id
    judged = judge_candidate(run_id, BUCKET, SETTINGS)
    count("CandidatesPromoted", int(judged["promote"]))
    logger.info("candidate judged", extra={"run_id": run_id, "headline": judged["headline"]})
    return judged
