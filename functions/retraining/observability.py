"""Logs, traces and metrics of the handlers.

Calls to AWS are not traced one by one: a validation makes thousands of them.
"""

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger()
tracer = Tracer(auto_patch=False)
_metrics = Metrics()


def count(name: str, value: int = 1) -> None:
    """Publish a count in the embedded metric format, at once: a later error cannot take it back."""
    _metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    _metrics.flush_metrics()
