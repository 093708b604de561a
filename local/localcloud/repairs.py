"""Everything that is repaired in moto, in the order in which the repairs build on each other."""

from __future__ import annotations

from localcloud import (
    cloudformation,
    cloudformation_compute,
    cloudformation_costs,
    cloudformation_data,
    cloudformation_messaging,
    dynamodb_atomicity,
    eventbridge_schedules,
    eventbridge_targets,
    lambda_api,
    s3_events,
    s3_policy,
    sqs_pollers,
    stepfunctions_executions,
    stepfunctions_jsonata,
    stepfunctions_maps,
    stepfunctions_normalisation,
    stepfunctions_sagemaker,
    stepfunctions_sync,
)
from localcloud.context import CloudContext

_RESOURCE_TYPES = {
    kind.name: kind
    for module in (
        cloudformation_compute,
        cloudformation_costs,
        cloudformation_data,
        cloudformation_messaging,
    )
    for kind in module.TYPES
}


def install(context: CloudContext) -> None:
    """Repair the moto of this process; once per process."""
    dynamodb_atomicity.install(context)
    eventbridge_targets.install(context)
    eventbridge_schedules.install(context)
    s3_events.install(context)
    s3_policy.install(context)
    stepfunctions_jsonata.install(context)
    stepfunctions_maps.install(context)
    stepfunctions_normalisation.install(context)
    stepfunctions_sync.install(context)
    stepfunctions_sagemaker.install(context)
    stepfunctions_executions.install(context)
    lambda_api.install(context)
    sqs_pollers.install(context)
    cloudformation.install(context, _RESOURCE_TYPES)
