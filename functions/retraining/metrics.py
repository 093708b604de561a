"""Every metric that dashboards and alarms watch, with its dimensions: the one place. Pure.

A metric is billed for the hours in which it is written, so what is written once per run costs next
to nothing, however many slices and versions there are; see docs/operations.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# Every measurement carries these two; the first is the library's own.
SERVICE, STACK = "service", "Stack"
_LONGEST_VALUE = 250


class Metric(StrEnum):
    """Names of metrics."""

    RUNS = "Runs"
    DEPLOYMENTS = "Deployments"
    RUN_SECONDS = "RunSeconds"
    TRAIN_LINES = "TrainLines"
    HOLDOUT_LINES = "HoldoutLines"
    SET_ASIDE = "SetAside"
    ESTIMATED_COST = "EstimatedCost"
    EXACT_MATCH = "ExactMatch"
    DAYS_SINCE_PROMOTION = "DaysSincePromotion"
    ACTIVE_RUN_MINUTES = "ActiveRunMinutes"


class Dimension(StrEnum):
    """Names of dimensions."""

    OUTCOME = "Outcome"
    SLICE = "Slice"
    MODEL = "Model"
    VERSION = "Version"


class Model(StrEnum):
    """Values of the dimension Model."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"


@dataclass(frozen=True)
class Shape:
    """What a metric is measured in, which function writes it, and by which sets of dimensions."""

    unit: str
    service: str
    dimensions: Sequence[tuple[str, ...]] = ((),)

    @property
    def all_dimensions(self) -> tuple[frozenset[str], ...]:
        """Every set, with the two that are always there."""
        return tuple(frozenset({SERVICE, STACK, *each}) for each in self.dimensions)


_ANNOUNCING, _STOCK = "announce_result", "take_stock"
_BY_OUTCOME = ((Dimension.OUTCOME,),)
SHAPES: Mapping[Metric, Shape] = {
    Metric.RUNS: Shape("Count", _ANNOUNCING, _BY_OUTCOME),
    Metric.DEPLOYMENTS: Shape("Count", _ANNOUNCING, _BY_OUTCOME),
    Metric.RUN_SECONDS: Shape("Seconds", _ANNOUNCING),
    Metric.TRAIN_LINES: Shape("Count", _ANNOUNCING),
    Metric.HOLDOUT_LINES: Shape("Count", _ANNOUNCING),
    Metric.SET_ASIDE: Shape("Count", _ANNOUNCING),
    Metric.ESTIMATED_COST: Shape("None", _ANNOUNCING),
    Metric.EXACT_MATCH: Shape(
        "Percent",
        _ANNOUNCING,
        ((Dimension.SLICE, Dimension.MODEL), (Dimension.SLICE, Dimension.VERSION)),
    ),
    Metric.DAYS_SINCE_PROMOTION: Shape("None", _STOCK),
    Metric.ACTIVE_RUN_MINUTES: Shape("None", _STOCK),
}


@dataclass(frozen=True)
class Measurement:
    """Values that share their dimensions; those that are always there are not named."""

    values: Mapping[Metric, float]
    dimensions: Mapping[Dimension, str] = field(default_factory=dict)


def dimension_value(name: str) -> str:
    """Make a stranger's name one that CloudWatch takes: printable ASCII, not long, not blank."""
    escaped = name.encode("ascii", "backslashreplace").decode()
    printable = "".join(each if each.isprintable() else "?" for each in escaped)
    return printable[:_LONGEST_VALUE].strip().lstrip(":") or "-"
