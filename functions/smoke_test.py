"""Asks a deployed endpoint to read lines whose text is known."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from retraining import clients
from retraining.async_reading import AsyncEndpointReader
from retraining.observability import count, logger, tracer
from retraining.smoke import EndpointReader, SmokeTest, required_share, smoke_test

BUCKET, LEDGER, RUNTIME = clients.bucket(), clients.ledger(), clients.runtime()
REGISTRY, SETTINGS = clients.registry(), clients.settings()


class Request(BaseModel):
    """What the state machine gives."""

    endpoint_name: Annotated[str, Field(min_length=1)]
    package_arn: str = ""


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> SmokeTest:
    """Read known lines through the endpoint."""
    request = Request.model_validate(event)
    reader = (
        AsyncEndpointReader(RUNTIME, request.endpoint_name, BUCKET)
        if SETTINGS.endpoint_async
        else EndpointReader(RUNTIME, request.endpoint_name)
    )
    result = smoke_test(
        reader,
        BUCKET,
        LEDGER,
        required_share(REGISTRY.metadata(request.package_arn), SETTINGS.smoke_test_min_accuracy),
        SETTINGS.text_normalization,
    )
    # An answer for a blank image proves that the endpoint lives, not that it reads.
    if result["passed"] and result["lines"] and request.package_arn:
        REGISTRY.mark_smoke_tested(request.package_arn)
    count("SmokeTestsPassed", int(result["passed"]))
    logger.info("endpoint tested", extra={"package_arn": request.package_arn, **result})
    return result
