"""Finishes a validation whose images were checked by many functions."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients
from retraining.observability import count, logger, tracer
from retraining.validation_report import Validation

VALIDATOR = clients.validator()


class Request(BaseModel):
    """What the state machine gives."""

    run_id: Annotated[str, Field(min_length=1)]


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Validation:
    """Split, check and write the lines of a run, now that its images are known."""
    request = Request.model_validate(event)
    answer = VALIDATOR.finish(request.run_id)
    count("TrainLines", answer["train_lines"])
    logger.info(
        "validation finished",
        extra={
            "run_id": request.run_id,
            "train_lines": answer["train_lines"],
            "holdout_lines": answer["holdout_lines"],
            "new_characters": answer["new_character_count"],
        },
    )
    return answer
