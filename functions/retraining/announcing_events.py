"""The event of an announcement, for machines: its schema is in docs/operations.md. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from retraining.announcing_facts import Facts, Slice

SOURCE = "ocr-retrain"
RUN_FINISHED = "OCR Retraining Finished"
ENDPOINT_DEPLOYED = "OCR Endpoint Deployed"
# Grows when a field changes its meaning or goes; new fields may come at any time.
SCHEMA_VERSION = "1"
_LONGEST_TEXT = 1_000
_LONGEST_NAME = 200
_MOST_DATASETS = 100


@dataclass(frozen=True)
class Event:
    """What EventBridge is given; ``detail`` is a JSON object as text."""

    detail_type: str
    detail: str
    resources: Sequence[str]


def event_of(facts: Facts, stack: str) -> Event:
    """Write the event about the end of an execution."""
    is_run = facts.machine == "retrain"
    detail = {
        "schema_version": SCHEMA_VERSION,
        "stack": stack,
        "outcome": facts.outcome[:_LONGEST_NAME],
        "reason": facts.reason[:_LONGEST_TEXT],
        "execution_arn": facts.execution_arn,
        "started_at": _moment(facts.started_at),
        "ended_at": _moment(facts.ended_at),
        "seconds": round(facts.seconds, 3),
        "package_arn": facts.package_arn,
        "package_version": facts.version,
        **(_of_run(facts) if is_run else _of_deployment(facts)),
    }
    resources = [each for each in (facts.execution_arn, facts.package_arn) if each]
    text = json.dumps(detail, ensure_ascii=False)
    return Event(RUN_FINISHED if is_run else ENDPOINT_DEPLOYED, text, resources)


def _of_run(facts: Facts) -> dict[str, Any]:
    return {
        "run_id": facts.run_id,
        "datasets": [each[:_LONGEST_NAME] for each in facts.datasets[:_MOST_DATASETS]],
        "champion_version": facts.champion_version,
        "slices": [_slice(each) for each in facts.slices],
        "train_lines": facts.train_lines,
        "holdout_lines": facts.holdout_lines,
        "set_aside": [
            {"code": each.code[:_LONGEST_NAME], "count": each.count} for each in facts.problems
        ],
        "estimated_cost_usd": facts.estimated_cost,
        "report_uri": facts.report_uri,
    }


def _of_deployment(facts: Facts) -> dict[str, Any]:
    return {"endpoint_name": facts.endpoint_name, "run_id": facts.part_of_run}


def _slice(each: Slice) -> dict[str, Any]:
    return {**each.model_dump(), "name": each.name[:_LONGEST_NAME]}


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
