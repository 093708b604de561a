"""Writes the report of a run, for people."""

from datetime import UTC, datetime
from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients
from retraining.observability import logger, tracer
from retraining.report.gathering import RunOfReport, Sources
from retraining.report.writing import Written, write_report

SOURCES = Sources(
    clients.bucket(), clients.ledger(), clients.sagemaker(), clients.ecr(), clients.settings()
)


class Request(BaseModel):
    """What the state machine gives; without jobs when there was nothing to train."""

    run_id: Annotated[str, Field(min_length=1)]
    started_at: datetime | None = None
    training_job: str = ""
    evaluation_job: str = ""


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Written:
    """Write report.html from all that is known of a run."""
    run = RunOfReport(**Request.model_validate(event).model_dump())
    written = write_report(run, SOURCES, datetime.now(UTC))
    logger.info("report written", extra={"run_id": run.run_id, **written})
    return written
