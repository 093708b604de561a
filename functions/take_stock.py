"""Measures how long a run has been going on and how long ago a model was last promoted."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from retraining import clients
from retraining.observability import logger, publish, tracer
from retraining.stock_taking import take_stock

LEDGER, REGISTRY, SETTINGS = clients.ledger(), clients.registry(), clients.settings()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Publish the ages that alarms watch; called by a schedule."""
    publish(take_stock(LEDGER, REGISTRY, datetime.now(UTC)), SETTINGS.prefix)
