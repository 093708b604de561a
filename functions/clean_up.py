"""Deletes the models and endpoint configurations of old deployments."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.clean_up import CleanedUp, clean_up
from retraining.observability import logger, tracer

REGISTRY, SAGEMAKER, SETTINGS = clients.registry(), clients.sagemaker(), clients.settings()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> CleanedUp:
    """Delete what no deployment will go back to."""
    deleted = clean_up(SAGEMAKER, REGISTRY, SETTINGS, datetime.now(UTC))
    logger.info("old deployments deleted", extra=dict(deleted))
    return deleted
