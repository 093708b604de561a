"""Writes the report of a run."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from retraining import s3_layout
from retraining.report.costs import costs_of
from retraining.report.gathering import Gatherer, RunOfReport, Sources
from retraining.report.page import render


class Written(TypedDict):
    """Where the report lies, and what the jobs cost in US dollars, as far as that is known."""

    report_uri: str
    estimated_cost: float | None


def write_report(run: RunOfReport, sources: Sources, now: datetime) -> Written:
    """Gather what there is about a run and write report.html.

    Raises ReportTooLargeError, and botocore's ClientError when it cannot be written.
    """
    material = Gatherer(sources, run).gather(now)
    page = render(material)
    return {
        "report_uri": sources.bucket.write_html(s3_layout.report(run.run_id), page),
        "estimated_cost": costs_of(material.jobs, material.prices).total,
    }
