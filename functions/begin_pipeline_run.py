"""Begins a run for an execution of the SageMaker pipeline: its first step."""

from typing import Annotated, Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients, names
from retraining.claiming import Claims, check_up_to_date
from retraining.ledger_items import iso
from retraining.observability import logger, tracer

SETTINGS = clients.settings()
CLAIMS = Claims(clients.reconciler())


class Request(BaseModel):
    """What the pipeline gives; ``datasets`` are parted by commas, none for all that wait."""

    execution_arn: Annotated[str, Field(pattern=r"^arn:[^\s]+:pipeline/[^\s]+$")]
    datasets: str = ""
    made_from: str


class Begun(TypedDict):
    """The run; ``datasets`` is a JSON list, as SageMaker takes text only."""

    run_id: str
    datasets: str
    started_at: str


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Begun:
    """Take the lock for a pipeline's execution, or say which run has it."""
    request = Request.model_validate(event)
    check_up_to_date(request.made_from, SETTINGS.pipeline_made_from)
    wanted = tuple(filter(None, (each.strip() for each in request.datasets.split(","))))
    run = CLAIMS.claim(request.execution_arn, wanted)
    logger.info("run begun", extra={"run_id": run.run_id, "execution_arn": run.execution_arn})
    return {
        "run_id": run.run_id,
        "datasets": names.dataset_ids(run.datasets),
        "started_at": iso(run.started_at),
    }
