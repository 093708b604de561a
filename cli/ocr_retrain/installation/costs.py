"""What a stack costs when nothing happens, and what a run adds: list prices times parameters.

docs/cost.md holds these lines for the default parameters; a test compares them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_retrain.errors import UserError
from retraining.metrics import SHAPES
from retraining.opening_hours import OpeningHours, OpeningHoursError
from retraining.report.costs import Prices, price_table

HOURS_A_MONTH = 730
_HOURS_A_WEEK = 168
# List prices of us-east-1 in US dollars, as publicly known in 2026-11; no API was asked.
_ALARM_METRIC = 0.10
_DASHBOARD = 3.00
_KEY = 1.00
_METRIC = 0.30
_GIGABYTE_SECOND = 0.0000166667
_LAMBDA_CALL = 0.0000002
_QUEUE_CALL = 0.0000004
_TRACE = 0.000005
_LOG_GIGABYTE = 0.50
_IMAGE_GIGABYTE = 0.10
_DATA_GIGABYTE = 0.023
_TRANSITION = 0.000025
_BUILD_MINUTE = {
    "BUILD_GENERAL1_SMALL": 0.005,
    "BUILD_GENERAL1_MEDIUM": 0.01,
    "BUILD_GENERAL1_LARGE": 0.02,
}
# What the formulas assume, each told in the line that uses it.
_IMAGE_GIGABYTES = 8
_DATA_GIGABYTES = 10
_STATES = 30
_RECONCILER_GIGABYTES = 0.5
_STOCK_GIGABYTES = 0.25
_STOCK_CALLS_AN_HOUR = 4
# Two pollers of the queue, each asking again after 20 seconds without an answer.
_QUEUE_CALLS_AN_HOUR = 360
_BYTES_A_CALL = 2_000


@dataclass(frozen=True)
class Cost:
    """One line of an estimate; ``dollars`` is None where there is no price."""

    name: str
    formula: str
    dollars: float | None


def monthly_costs(template: Mapping[str, Any], parameters: Mapping[str, str]) -> list[Cost]:
    """Return what a month without any run or request costs, the largest first."""
    prices = _prices(parameters)
    kind, count = parameters["EndpointInstanceType"], int(parameters["EndpointInstanceCount"])
    hourly, hours = prices.hourly.get(kind), _endpoint_hours(parameters)
    alarmed = _alarm_metrics(template, parameters)
    stock = [name for name, shape in SHAPES.items() if shape.service == "take_stock"]
    calls = _calls_a_month(parameters)
    lines = [
        Cost(
            "Endpoint",
            f"{count} x {kind} at {hourly} an hour x {hours:.0f} hours",
            None if hourly is None else count * hourly * hours,
        ),
        Cost("Dashboard", "1 x 3.00 (the first three of an account are free)", _DASHBOARD),
        Cost(
            "Alarms",
            f"{alarmed} metrics x 0.10 (the first ten alarms are free)",
            alarmed * _ALARM_METRIC,
        ),
        Cost("Metrics", f"{len(stock)} x 0.30 (the first ten are free)", len(stock) * _METRIC),
        Cost(
            "Images",
            f"about {_IMAGE_GIGABYTES} GB x 0.10",
            _IMAGE_GIGABYTES * _IMAGE_GIGABYTE,
        ),
        Cost("Data", f"{_DATA_GIGABYTES} GB x 0.023", _DATA_GIGABYTES * _DATA_GIGABYTE),
        Cost(
            "Functions",
            f"{calls:,.0f} scheduled calls, with traces and logs (Lambda's free tier covers them)",
            _functions(parameters),
        ),
        Cost(
            "Queue",
            f"{_QUEUE_CALLS_AN_HOUR * HOURS_A_MONTH:,} calls x 0.0000004 (a million is free)",
            _QUEUE_CALLS_AN_HOUR * HOURS_A_MONTH * _QUEUE_CALL,
        ),
    ]
    if parameters["EncryptNotifications"] == "true" and not parameters["KmsKeyArn"]:
        lines.append(
            Cost("Key of the notifications", "1 x 1.00 (2.00 and 3.00 once it has rotated)", _KEY)
        )
    return sorted(lines, key=lambda line: -(line.dollars or float("inf")))


def _endpoint_hours(parameters: Mapping[str, str]) -> float:
    """Return the hours of a month in which there is an endpoint."""
    try:
        hours = OpeningHours.parse(parameters["EndpointHours"], parameters["EndpointTimeZone"])
    except OpeningHoursError as error:
        raise UserError(f"EndpointHours or EndpointTimeZone cannot be used: {error}") from error
    if hours is None:
        return HOURS_A_MONTH
    return hours.hours_a_week / _HOURS_A_WEEK * HOURS_A_MONTH


def run_costs(
    parameters: Mapping[str, str], training_minutes: float, evaluation_minutes: float
) -> list[Cost]:
    """Return what one run costs when its jobs take so long, without any saving by spot."""
    prices = _prices(parameters)
    return [
        _job(
            "Training",
            parameters["TrainingInstanceType"],
            training_minutes * int(parameters["TrainingInstanceCount"]),
            prices,
        ),
        _job("Evaluation", parameters["EvaluationInstanceType"], evaluation_minutes, prices),
        Cost("Steps", f"about {_STATES} x 0.000025", _STATES * _TRANSITION),
        Cost(
            "Functions",
            "at most a minute of 1 GB each, nine of them",
            9 * 60 * _GIGABYTE_SECOND,
        ),
    ]


def build_cost(compute_type: str, minutes: float) -> Cost:
    """Return what building one image costs."""
    price = _BUILD_MINUTE[compute_type]
    return Cost("Build of an image", f"{minutes:g} minutes x {price:g}", minutes * price)


def total(lines: Sequence[Cost]) -> float | None:
    """Return the sum, None when a price is missing."""
    known = [line.dollars for line in lines if line.dollars is not None]
    return sum(known) if len(known) == len(lines) else None


def _job(name: str, kind: str, minutes: float, prices: Prices) -> Cost:
    hourly = prices.hourly.get(kind)
    return Cost(
        name,
        f"{kind} at {hourly} an hour x {minutes:g} minutes",
        None if hourly is None else hourly * minutes / 60,
    )


def _prices(parameters: Mapping[str, str]) -> Prices:
    text = parameters["InstancePrices"]
    try:
        own = {str(name): float(price) for name, price in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"InstancePrices is no JSON object of numbers: {text}") from error
    return price_table(own)


def _calls_a_month(parameters: Mapping[str, str]) -> float:
    an_hour = 60 / float(parameters["ScheduleMinutes"]) + _STOCK_CALLS_AN_HOUR
    return an_hour * HOURS_A_MONTH


def _functions(parameters: Mapping[str, str]) -> float:
    reconciling = 60 / float(parameters["ScheduleMinutes"]) * HOURS_A_MONTH
    stock = _STOCK_CALLS_AN_HOUR * HOURS_A_MONTH
    # A call takes about a second.
    seconds = reconciling * _RECONCILER_GIGABYTES + stock * _STOCK_GIGABYTES
    calls = reconciling + stock
    logged = calls * _BYTES_A_CALL / 1e9
    return (
        seconds * _GIGABYTE_SECOND
        + calls * (_LAMBDA_CALL + _TRACE)
        + logged * _LOG_GIGABYTE
        + HOURS_A_MONTH / float(parameters["EndpointCheckHours"]) * _STATES * _TRANSITION
    )


def _alarm_metrics(template: Mapping[str, Any], parameters: Mapping[str, str]) -> int:
    """Count the metrics that alarms read: an alarm over several is billed for each of them."""
    count = 0
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::CloudWatch::Alarm" or not _is_made(resource, parameters):
            continue
        queries = resource["Properties"].get("Metrics", [])
        count += sum("MetricStat" in query for query in queries) if queries else 1
    return count


def _is_made(resource: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    return resource.get("Condition") != "WatchesPromotions" or (
        parameters["PromotionAlarmDays"] != "0"
    )
