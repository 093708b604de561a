"""How an endpoint is moved to another configuration without anybody noticing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retraining.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

# What SageMaker may need to start instances, beside the times it is told to wait.
_STARTING_SECONDS = 2400
_OLD_INSTANCES_STAY_SECONDS = 60


def update_policy(settings: Settings, alarms: Sequence[str], instances: int) -> dict[str, Any]:
    """Build the DeploymentConfig of UpdateEndpoint.

    ``instances`` is how many will run. With two or more, one new one gets traffic first; with one,
    all of it moves at once. Either way the old instances stay until ``bake_seconds`` have gone by
    without an alarm.
    """
    wait = settings.bake_seconds
    if instances > 1:
        routing: dict[str, Any] = {
            "Type": "CANARY",
            "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": wait,
        }
    else:
        routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait}
    policy: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": _OLD_INSTANCES_STAY_SECONDS,
            "MaximumExecutionTimeoutInSeconds": _STARTING_SECONDS + 2 * wait,
        }
    }
    if alarms:
        watched = [{"AlarmName": each} for each in alarms]
        policy["AutoRollbackConfiguration"] = {"Alarms": watched}
    return policy


def quiet_alarms(client: "CloudWatchClient", wanted: Sequence[str]) -> list[str]:
    """Give those of the alarms that exist and are not raised.

    An alarm that the old model has raised says nothing about the new one, and would undo every
    deployment that could end it: a rollback from a broken model first of all.
    """
    if not wanted:
        return []
    found = client.describe_alarms(AlarmNames=list(wanted), AlarmTypes=["MetricAlarm"])
    state = {each["AlarmName"]: each["StateValue"] for each in found["MetricAlarms"]}
    return [each for each in wanted if state.get(each, "ALARM") != "ALARM"]
