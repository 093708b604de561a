"""Decides whether the endpoint must be changed to serve the latest approved model."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.deployment import Decision, find_approved
from retraining.observability import logger, tracer

BUCKET, CLOUDWATCH, REGISTRY = clients.bucket(), clients.cloudwatch(), clients.registry()
SAGEMAKER, SETTINGS = clients.sagemaker(), clients.settings()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Decision:
    """Compare the endpoint with the registry."""
    decision = find_approved(REGISTRY, SAGEMAKER, CLOUDWATCH, BUCKET, SETTINGS)
    if decision["notice"]:
        logger.warning("endpoint was changed by somebody else", extra=dict(decision))
    logger.info("approved model found", extra=dict(decision))
    return decision
