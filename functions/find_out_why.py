"""Finds out why an endpoint does not serve what it was asked to."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.observability import logger, tracer
from retraining.rollback import Attempt, Finding, find_out_why

REGISTRY, SAGEMAKER = clients.registry(), clients.sagemaker()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Finding:
    """Tell whether the model is at fault."""
    attempt = Attempt.model_validate(event)
    finding = find_out_why(attempt, REGISTRY, SAGEMAKER)
    logger.warning("deployment judged", extra={"package_arn": attempt.package_arn, **finding})
    return finding
