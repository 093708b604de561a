"""Validates the drops of a run and writes the lines that can be used."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime, BaseModel, Field

from retraining import clients
from retraining.observability import count, logger, tracer
from retraining.run_request import DatasetNames, check_unpacked
from retraining.validation_report import Validation

VALIDATOR = clients.validator()


class Request(BaseModel):
    """What the state machine or the pipeline gives; images are waited for since ``started_at``.

    ``unfinished`` is the answer of unpack_archives, from whoever cannot ask again.
    """

    run_id: Annotated[str, Field(min_length=1)]
    datasets: DatasetNames
    started_at: AwareDatetime
    unfinished: bool = False


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Validation:
    """Validate the datasets of a run."""
    request = Request.model_validate(event)
    check_unpacked(request.unfinished)
    answer = VALIDATOR.validate(request.run_id, request.datasets, request.started_at)
    count("TrainLines", answer["train_lines"])
    logger.info(
        "datasets validated",
        extra={
            "run_id": request.run_id,
            "complete": answer["complete"],
            "missing": answer["missing_count"],
            "image_shards": answer["image_shards"],
            "train_lines": answer["train_lines"],
            "holdout_lines": answer["holdout_lines"],
            "new_characters": answer["new_character_count"],
        },
    )
    return answer
