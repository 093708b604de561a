"""Logs, traces and metrics of the handlers.

Calls to AWS are not traced one by one: a validation makes thousands of them.
"""

from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from retraining.metrics import SHAPES, STACK, Measurement

logger = Logger()
tracer = Tracer(auto_patch=False)


def count(name: str, value: int = 1) -> None:
    """Publish a count in the embedded metric format, at once: a later error cannot take it back."""
    metrics = Metrics()
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()


def publish(measurements: Iterable[Measurement], stack: str) -> None:
    """Publish measurements in the embedded metric format, with the dimensions of their shapes."""
    for each in measurements:
        first = SHAPES[next(iter(each.values))]
        metrics = EphemeralMetrics(service=first.service)
        metrics.add_dimension(STACK, stack)
        for dimension, name in each.dimensions.items():
            metrics.add_dimension(dimension, name)
        for metric, value in each.values.items():
            metrics.add_metric(name=metric, unit=SHAPES[metric].unit, value=value)
        metrics.flush_metrics()
