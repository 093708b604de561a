"""Explains a failed step in one line."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from retraining.failure import explain
from retraining.observability import count, logger, tracer


class Request(BaseModel):
    """What Step Functions knows about the failure; either text may be missing."""

    run_id: str = ""
    error: str | None = None
    cause: str | None = None


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Find the line that tells a person what went wrong."""
    request = Request.model_validate(event)
    explanation = explain(request.error or "", request.cause or "")
    count("FailuresExplained")
    logger.error("step failed", extra={"run_id": request.run_id, "reason": explanation.reason})
    return asdict(explanation)
