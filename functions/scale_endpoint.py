"""Makes the endpoint's number of instances follow its load, where that is wanted."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.observability import logger, tracer
from retraining.scaling import Scaler

SCALER = Scaler(clients.autoscaling(), clients.cloudwatch(), clients.settings())


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Set the scaling as the template says."""
    why = SCALER.set()
    logger.info("scaling set", extra={"why": why})
    return {"why": why}
