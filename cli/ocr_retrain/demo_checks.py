"""What the demo promises, checked against what it measured: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocr_retrain.model_registry import EndpointState
from ocr_retrain.outcome import Outcome
from ocr_retrain.phrases import percent
from ocr_retrain.verdicts import SliceVerdict

MIN_NEW_DOMAIN = 0.85
MAX_GOLDEN_DROP = 0.01
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Measured:
    """What happened: accuracies are exact-match fractions, ``executions`` counts Retrain runs."""

    outcome: Outcome
    reason: str
    slices: tuple[SliceVerdict, ...]
    executions: int
    new_package: str
    endpoint: EndpointState | None


def shortcomings(measured: Measured) -> list[str]:
    """Return one sentence per promise that was not kept."""
    return [
        *_of_outcome(measured),
        *_of_new_domain(measured),
        *_of_golden_sets(measured),
        *_of_endpoint(measured),
    ]


def _of_outcome(measured: Measured) -> Iterator[str]:
    if measured.executions != 1:
        yield f"One drop must start one run, but it started {measured.executions}."
    if measured.outcome is not Outcome.PROMOTED:
        yield f"The run ended as {measured.outcome}: {measured.reason}"


def _of_new_domain(measured: Measured) -> Iterator[str]:
    new = [item for item in measured.slices if item.kind == "new"]
    if not new:
        yield "The new data was not evaluated."
    for item in new:
        if item.candidate_exact_match < MIN_NEW_DOMAIN:
            yield (
                f"{item.name} is read {percent(item.candidate_exact_match)} exactly, less than "
                f"the {percent(MIN_NEW_DOMAIN)} promised."
            )


def _of_golden_sets(measured: Measured) -> Iterator[str]:
    golden = [item for item in measured.slices if item.kind == "golden"]
    if not golden:
        yield "The golden set was not evaluated."
    for item in golden:
        before = item.champion_exact_match
        if before is None:
            yield f"Golden set {item.name} was not read by the model before."
        elif before - item.candidate_exact_match > MAX_GOLDEN_DROP + _ROUNDING:
            yield (
                f"Golden set {item.name} fell from {percent(before)} to "
                f"{percent(item.candidate_exact_match)}."
            )


def _of_endpoint(measured: Measured) -> Iterator[str]:
    if measured.endpoint is None:
        yield "There is no endpoint."
    elif measured.endpoint.status != "InService":
        yield f"The endpoint is {measured.endpoint.status}."
    elif not measured.new_package or measured.endpoint.package_arn != measured.new_package:
        yield "The endpoint does not serve the new version."
