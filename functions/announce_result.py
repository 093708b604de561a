"""Announces how a run or a deployment ended.

Called by the last steps of both state machines, and by EventBridge for executions that have no last
step: those that were stopped or ran out of time, and those of the SageMaker pipeline.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import announcing_pipeline, announcing_request, clients
from retraining.observability import logger, tracer

ANNOUNCER, PIPELINES = clients.announcer(), clients.pipeline_executions()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Tell people and machines how an execution ended; a second attempt tells what is missing."""
    if event.get("detail-type") == announcing_pipeline.DETAIL_TYPE:
        request = announcing_pipeline.read(event, PIPELINES)
    else:
        request = announcing_request.read(event)
    if request is None:
        return {"announced": []}
    made = ANNOUNCER.announce(request)
    about = {"execution_arn": request.execution_arn, "outcome": request.result.outcome}
    logger.info("announced", extra={**about, "made": made})
    return {"announced": list(made)}
