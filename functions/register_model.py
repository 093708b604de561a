"""Registers the candidate of a run in the model registry."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.observability import logger, tracer
from retraining.registering import Registered, RegisterRequest, register_model

BUCKET, REGISTRY, SETTINGS = clients.bucket(), clients.registry(), clients.settings()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Registered:
    """Register a candidate with its lineage and the verdict on it."""
    request = RegisterRequest.model_validate(event)
    registered = register_model(request, BUCKET, REGISTRY, SETTINGS)
    logger.info("model registered", extra={"run_id": request.run_id, **registered})
    return registered
