"""Gathers what is known of the end of an execution.

What cannot be read is left out: a message that lacks a number is better than none.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from retraining import announcing_links as links
from retraining import names, s3_layout
from retraining.announcing_facts import Facts, Slice
from retraining.announcing_next_steps import after_deployment, after_run, version_of
from retraining.announcing_request import Request, Validation
from retraining.observability import logger
from retraining.storage import Bucket, NoSuchObjectError

_MOST_SLICES = 40
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def gather(request: Request, bucket: Bucket, now: datetime) -> Facts:
    """Read what the run has written beside what the state machine tells."""
    if request.machine == "deploy":
        return _deployment(request, now)
    result = request.result
    run_id = _run_of(request)
    validation = result.validation
    if validation.train_lines is None:
        validation = _validation(bucket, run_id)
    version = result.package_version or version_of(result.package_arn)
    champion = _json(bucket, s3_layout.plan(run_id)).get("champion_package_arn")
    return Facts(
        machine=request.machine,
        outcome=result.outcome,
        reason=result.reason,
        execution_arn=request.execution_arn,
        started_at=request.started_at,
        ended_at=now,
        run_id=run_id,
        datasets=request.datasets,
        package_arn=result.package_arn,
        version=version,
        champion_version=version_of(str(champion or "")),
        slices=_slices(bucket, run_id),
        reasons=result.verdict.reasons,
        notes=validation.character_notes,
        problems=validation.problems,
        train_lines=validation.train_lines,
        holdout_lines=validation.holdout_lines,
        estimated_cost=request.report.estimated_cost,
        report_uri=request.report.report_uri,
        next_steps=after_run(
            result.outcome, run_id, request.datasets, version, request.execution_arn
        ),
    )


def _run_of(request: Request) -> str:
    """Tell the run id; who starts an execution by hand may have given anything as one."""
    plain = _RUN_ID.fullmatch(request.run_id)
    return request.run_id if plain else names.run_of_execution(request.execution_arn)


def _deployment(request: Request, now: datetime) -> Facts:
    result = request.result
    version = result.package_version or version_of(result.package_arn)
    machine = links.state_machine_arn(request.execution_arn)
    return Facts(
        machine=request.machine,
        outcome=result.outcome,
        reason=result.reason,
        execution_arn=request.execution_arn,
        started_at=request.started_at,
        ended_at=now,
        part_of_run=names.run_of_execution(request.part_of_run),
        endpoint_name=result.endpoint_name,
        package_arn=result.package_arn,
        version=version,
        next_steps=after_deployment(result.outcome, version, machine),
    )


def _slices(bucket: Bucket, run_id: str) -> tuple[Slice, ...]:
    found = _json(bucket, s3_layout.verdict(run_id)).get("slices")
    slices = []
    for each in found if isinstance(found, list) else []:
        try:
            slices.append(Slice.model_validate(each))
        except ValidationError:
            continue
    return tuple(slices[:_MOST_SLICES])


def _validation(bucket: Bucket, run_id: str) -> Validation:
    found = _json(bucket, s3_layout.validation_report(run_id))
    try:
        return Validation.model_validate({**found, "character_notes": found.get("notes", [])})
    except ValidationError:
        return Validation()


def _json(bucket: Bucket, key: str) -> Mapping[str, Any]:
    try:
        found = bucket.read_json(key)
    except (NoSuchObjectError, ValueError):
        return {}
    except (BotoCoreError, ClientError) as error:
        logger.warning("cannot be read for the announcement", extra={"key": key, "why": str(error)})
        return {}
    return found if isinstance(found, dict) else {}
