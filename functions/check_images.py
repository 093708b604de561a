"""Checks one shard of the images of a large run."""

from typing import Annotated, Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients
from retraining.observability import count, logger, tracer
from retraining.shards import check_shard

BUCKET = clients.bucket()


class Request(BaseModel):
    """What the state machine gives for each item of the list of shards."""

    run_id: Annotated[str, Field(min_length=1)]
    shard: Annotated[str, Field(pattern=r"^[0-9]+$")]


class Checked(TypedDict):
    """How many images were read; what was found lies beside the shard."""

    checked: int
    unreadable: int


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Checked:
    """Check the images of a shard; doing it again changes nothing."""
    request = Request.model_validate(event)
    checked, unreadable = check_shard(BUCKET, request.run_id, request.shard)
    count("ImagesChecked", checked)
    logger.info(
        "images checked",
        extra={"run_id": request.run_id, "shard": request.shard, "unreadable": unreadable},
    )
    return {"checked": checked, "unreadable": unreadable}
