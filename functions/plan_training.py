"""Plans the training and evaluation of a run."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients
from retraining.active_run import check_active
from retraining.observability import logger, tracer
from retraining.run_plan import Planned
from retraining.run_request import DatasetNames, check_trainable

LEDGER, PLANNER = clients.ledger(), clients.planner()


class Request(BaseModel):
    """What the state machine or the pipeline gives.

    The last three are the answer of validate_dataset, from whoever cannot end a run by it.
    """

    run_id: Annotated[str, Field(min_length=1)]
    datasets: DatasetNames
    outcome: str = ""
    reason: str = ""
    image_shards: int = 0


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Planned:
    """Plan a run and write what its jobs read."""
    request = Request.model_validate(event)
    check_active(LEDGER, request.run_id)
    check_trainable(request.outcome, request.reason, request.image_shards)
    planned = PLANNER.plan(request.run_id, request.datasets)
    logger.info(
        "training planned",
        extra={
            "run_id": request.run_id,
            "champion": planned["champion_package_arn"],
            "new_lines": planned["new_lines"],
            "replay_lines": planned["replay_lines"],
            "new_characters": planned["new_characters"],
        },
    )
    return planned
