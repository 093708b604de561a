"""Unpacks the archives among the drops of a run."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients, s3_layout
from retraining.active_run import check_active
from retraining.observability import count, logger, tracer
from retraining.run_request import DatasetNames
from retraining.unpacking import Unpacked

LEDGER, UNPACKER = clients.ledger(), clients.unpacker()
# The last member may be large, and the archive may be compressed as a whole: passing over a member
# takes its time as well.
SPARE_MILLISECONDS = 180_000


class Request(BaseModel):
    """What the state machine or the pipeline gives."""

    run_id: Annotated[str, Field(min_length=1)]
    datasets: DatasetNames


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Unpacked:
    """Unpack the archives of a run's datasets and of all golden sets, as far as there is time."""
    request = Request.model_validate(event)
    check_active(LEDGER, request.run_id)
    answer = UNPACKER.unpack(
        [*map(s3_layout.drop_root, request.datasets), *UNPACKER.golden_roots()],
        lambda: context.get_remaining_time_in_millis() > SPARE_MILLISECONDS,
    )
    count("ArchivesUnpacked", answer["archives"])
    logger.info("archives unpacked", extra={"run_id": request.run_id, **answer})
    return answer
