"""Starts the next retraining run when there is something to train on and no run is active.

Called by uploads (through the queue), by the end of every run, and by a schedule.
"""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch import process_partial_response as process
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.arrivals import Arrivals
from retraining.observability import count, logger, tracer
from retraining.state_changes import StatusChange, settle

BUCKET, LEDGER = clients.bucket(), clients.ledger()
EXECUTIONS, RECONCILER = clients.executions(), clients.reconciler()
GOLDEN_KEEPER, SEARCH = clients.golden_keeper(), clients.search()
PROCESSOR = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
# What is begun with less time left is left to the schedule.
SPARE_MILLISECONDS = 25_000


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take in what the event tells, then bring ledger and state machine to agree."""
    answer = PartialItemFailureResponse(batchItemFailures=[])
    arrivals = Arrivals(BUCKET, LEDGER, logger.info)
    if "Records" in event:
        answer = process(event, arrivals.take_in, PROCESSOR, context)
        done = RECONCILER.reconcile_or_leave()
    else:
        if event.get("detail-type") == "Step Functions Execution Status Change":
            news = settle(StatusChange.model_validate(event), EXECUTIONS, RECONCILER)
            logger.info("execution changed", extra={"news": news})
        done = RECONCILER.reconcile()
    logger.info("reconciled", extra=done.as_log())
    count("RunsStarted", int(done.action == "started"))
    count("ReconciliationsLeft", int(done.action == "left"))
    is_scheduled = event.get("detail-type") == "Scheduled Event"
    look_around(context, uploads=is_scheduled, golden=is_scheduled or arrivals.golden)
    return answer


def look_around(context: LambdaContext, *, uploads: bool, golden: bool) -> None:
    """Look for what no event has told of, as far as there is time."""
    has_time = lambda: context.get_remaining_time_in_millis() > SPARE_MILLISECONDS  # noqa: E731
    found = SEARCH.go_on(has_time) if uploads else 0
    if found:
        logger.warning("unannounced uploads", extra={"uploads": found})
        logger.info("reconciled", extra=RECONCILER.reconcile().as_log())
    if golden:
        logger.info("golden sets", extra={"left": GOLDEN_KEEPER.refresh_or_leave(has_time)})
