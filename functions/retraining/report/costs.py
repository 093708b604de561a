"""What the jobs of a run cost, as far as hours and list prices tell. Pure but for the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

from retraining.report.inputs import Job
from retraining.texts import duration

_TABLE = Path(__file__).with_name("prices.json")
_HOUR = 3600.0


@dataclass(frozen=True)
class Prices:
    """Hourly prices of instances, and where they come from."""

    hourly: Mapping[str, float]
    own: frozenset[str]
    region: str
    currency: str
    collected: str

    @property
    def origin(self) -> str:
        """Say in one sentence what the prices are worth."""
        return (
            f"Prices are on-demand list prices of {self.region} as collected in {self.collected}, "
            "in " + self.currency + ", without tax, storage and transfer; the parameter "
            "InstancePrices of the stack replaces them."
        )


@dataclass(frozen=True)
class JobCost:
    """One job: hours of instances that ran and that are billed; ``cost`` None if not known."""

    job: Job
    hours: float | None
    billed_hours: float | None
    cost: float | None

    @property
    def saving(self) -> float | None:
        """Tell the share of the hours that spot capacity made free; None on demand."""
        if not self.job.spot or not self.hours or self.billed_hours is None:
            return None
        return max(0.0, 1.0 - self.billed_hours / self.hours)


@dataclass(frozen=True)
class Costs:
    """All jobs of a run, and whole sentences about what they cost."""

    jobs: tuple[JobCost, ...]
    total: float | None
    currency: str
    sentences: tuple[str, ...]


def price_table(own: Mapping[str, float]) -> Prices:
    """Read the packaged prices; those given replace them."""
    table = _packaged()
    return Prices(
        hourly={**table["hourly"], **own},
        own=frozenset(own),
        region=table["region"],
        currency=table["currency"],
        collected=table["collected"],
    )


class _Table(TypedDict):
    region: str
    currency: str
    collected: str
    hourly: dict[str, float]


@cache
def _packaged() -> _Table:
    table: _Table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


def costs_of(jobs: Sequence[Job], prices: Prices) -> Costs:
    """Estimate the costs of a run's jobs."""
    priced = tuple(_priced(each, prices) for each in jobs)
    known = [each.cost for each in priced if each.cost is not None]
    total = sum(known) if known and len(known) == len(priced) else None
    return Costs(priced, total, prices.currency, tuple(_sentences(priced, total, prices)))


def _priced(job: Job, prices: Prices) -> JobCost:
    hours = _hours(job.seconds, job)
    billed = hours if job.billable_seconds is None else _hours(job.billable_seconds, job)
    hourly = prices.hourly.get(job.instance_type)
    cost = None if hourly is None or billed is None else hourly * billed
    return JobCost(job, hours, billed, cost)


def _hours(seconds: float | None, job: Job) -> float | None:
    return None if seconds is None else seconds * job.instance_count / _HOUR


def _sentences(jobs: Sequence[JobCost], total: float | None, prices: Prices) -> list[str]:
    if not jobs:
        return ["No job ran."]
    said = []
    if total is not None:
        said.append(f"The jobs cost about {money(total, prices.currency)} together.")
    unknown = sorted({each.job.instance_type for each in jobs if _unpriced(each, prices)})
    if unknown:
        said.append(
            f"There is no price for {', '.join(unknown)}, so only hours are told; name it in "
            "InstancePrices."
        )
    if any(each.billed_hours is None for each in jobs):
        said.append("SageMaker did not tell how long every job ran.")
    said += _saved_by_spot(jobs, prices)
    if any(each.cost is not None for each in jobs):
        used = {each.job.instance_type for each in jobs}
        said.append(
            "Prices are those of the parameter InstancePrices."
            if used <= prices.own
            else prices.origin
        )
    return said


def _saved_by_spot(jobs: Sequence[JobCost], prices: Prices) -> list[str]:
    free = [each for each in jobs if each.saving]
    hours = [(each.hours or 0) - (each.billed_hours or 0) for each in free]
    if sum(hours) <= 0:
        return []
    worth = ""
    if not any(_unpriced(each, prices) for each in free):
        hourly = [prices.hourly[each.job.instance_type] for each in free]
        saved = sum(price * spared for price, spared in zip(hourly, hours, strict=True))
        worth = f", about {money(saved, prices.currency)}"
    return [
        f"Spot capacity saved {duration(sum(hours) * _HOUR)} of {_ran(jobs)} of training{worth}."
    ]


def _unpriced(each: JobCost, prices: Prices) -> bool:
    return each.job.instance_type not in prices.hourly


def _ran(jobs: Sequence[JobCost]) -> str:
    return duration(sum((each.hours or 0) * _HOUR for each in jobs if each.job.spot))


def money(amount: float, currency: str) -> str:
    """Give an amount, small ones with the digits that tell anything."""
    if amount == 0:
        return f"0 {currency}"
    if amount < 0.0005:
        return f"less than 0.001 {currency}"
    return f"{amount:.3f} {currency}" if amount < 0.1 else f"{amount:,.2f} {currency}"
