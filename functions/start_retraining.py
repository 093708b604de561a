"""Starts the next retraining run when there is something to train on and no run is active.

Called by uploads (through the queue), by the end of every run, and by a schedule.
"""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch import process_partial_response as process
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients, s3_layout
from retraining.arrivals import ObjectCreated, record_arrival
from retraining.observability import count, logger, tracer
from retraining.state_changes import StatusChange, end_of

BUCKET, LEDGER = clients.bucket(), clients.ledger()
EXECUTIONS, RECONCILER = clients.executions(), clients.reconciler()
GOLDEN_KEEPER = clients.golden_keeper()
PROCESSOR = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take in what the event tells, then bring ledger and state machine to agree."""
    answer = PartialItemFailureResponse(batchItemFailures=[])
    if "Records" in event:
        answer = process(event, record_upload, PROCESSOR, context)
        done = RECONCILER.reconcile_or_leave()
    else:
        if event.get("detail-type") == "Step Functions Execution Status Change":
            record_end(StatusChange.model_validate(event))
        done = RECONCILER.reconcile()
    logger.info("reconciled", extra=done.as_log())
    count("RunsStarted", int(done.action == "started"))
    count("ReconciliationsLeft", int(done.action == "left"))
    return answer


def record_upload(record: SQSRecord) -> None:
    """Take one announced object into the ledger."""
    event = ObjectCreated.model_validate_json(record.body)
    key, done = event.detail.object.key, "golden sets looked at"
    if key.startswith(s3_layout.GOLDEN):
        GOLDEN_KEEPER.refresh(quick=True)
    else:
        done = record_arrival(event, BUCKET, LEDGER, datetime.now(UTC))
    logger.info("upload announced", extra={"key": key, "done": done})


def record_end(event: StatusChange) -> None:
    """Take the end of a run into the ledger."""
    ended = end_of(event, EXECUTIONS)
    news = RECONCILER.settle(ended) if ended else False
    logger.info("execution changed", extra={"run_id": event.detail.name, "news": news})
