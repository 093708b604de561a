"""The state machine Deploy against everything that goes wrong with an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from retraining.deployment import Decision

from .deploy_world import UNHEALTHY, DeployWorld, refused
from .machine_player import Ended

QUOTA = refused("The account-level service limit is 0 Instances.", "ResourceLimitExceeded")
THROTTLED = refused("Rate exceeded", "ThrottlingException")
BUSY = refused('Cannot update in-progress endpoint "arn:endpoint/ocr-retrain".')
CAPACITY = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity."
ALARM = "The deployment was rolled back: alarm ocr-retrain-endpoint-errors is in ALARM state."


@pytest.fixture
def world() -> DeployWorld:
    """Version 1 serves, version 2 was just approved."""
    world = DeployWorld()
    world.sagemaker.package(1)
    assert world.deploy().output["outcome"] == "Serving"
    world.sagemaker.package(2)
    world.announced.clear()
    return world


def outcomes(world: DeployWorld) -> list[str]:
    return [each["outcome"] for each in world.announced]


# --- what goes well


def test_the_first_deployment_makes_the_endpoint() -> None:
    world = DeployWorld()
    world.sagemaker.package(1)
    ended = world.deploy()
    assert ended.output["outcome"] == "Serving"
    assert "Create endpoint" in ended.states
    assert world.sagemaker.served == 1


def test_a_newer_version_is_served_smoke_tested_and_announced(world: DeployWorld) -> None:
    ended = world.deploy()
    assert (ended.output["outcome"], ended.output["package_version"]) == ("Serving", 2)
    assert world.sagemaker.served == 2
    assert world.smoke_tests[-1] == 2
    assert world.announced == [
        {
            "outcome": "Serving",
            "endpoint_name": "ocr-retrain",
            "package_arn": ended.output["package_arn"],
            "package_version": 2,
            "reason": "It reads 20 of 20 lines.",
        }
    ]


def test_a_second_deployment_does_nothing_and_says_nothing(world: DeployWorld) -> None:
    world.deploy()
    world.announced.clear()
    updates = len(world.sagemaker.updates)
    ended = world.deploy()
    assert ended.output["outcome"] == "Already serving"
    assert (len(world.sagemaker.updates), world.announced) == (updates, [])
    assert "Smoke-test endpoint" not in ended.states


def test_without_an_approved_version_nothing_is_touched() -> None:
    world = DeployWorld()
    world.sagemaker.package(1, "Rejected")
    assert world.deploy().output["outcome"] == "Nothing approved"
    assert world.sagemaker.endpoint is None


def test_rejecting_the_live_version_brings_back_the_one_before(world: DeployWorld) -> None:
    world.deploy()
    world.sagemaker.packages[2]["ModelApprovalStatus"] = "Rejected"
    ended = world.deploy()
    assert ended.output["package_version"] == 1
    assert "Create model" not in ended.states
    assert world.sagemaker.served == 1
    assert world.smoke_tests[-1] == 1


def test_approving_an_older_version_than_the_live_one_changes_nothing(world: DeployWorld) -> None:
    world.sagemaker.packages[1]["ModelApprovalStatus"] = "Rejected"
    world.deploy()
    world.sagemaker.packages[1]["ModelApprovalStatus"] = "Approved"
    assert world.deploy().output["outcome"] == "Already serving"
    assert world.sagemaker.served == 2


# --- faults of the model


@pytest.mark.parametrize("reason", [UNHEALTHY, ALARM, None], ids=["unhealthy", "alarm", "silent"])
def test_a_rollback_rejects_the_version_and_the_old_one_stays(
    world: DeployWorld, reason: str | None
) -> None:
    world.sagemaker.unhealthy[2] = reason
    ended = world.deploy()
    assert (ended.status, ended.error) == ("FAILED", "Deploy.Rejected")
    assert outcomes(world) == ["Rolled back"]
    assert world.sagemaker.approval(2) == "Rejected"
    assert (reason or "gave no reason") in world.sagemaker.packages[2]["ApprovalDescription"]
    assert world.sagemaker.served == 1
    assert world.deploy().output["outcome"] == "Already serving"


def test_a_first_version_that_never_starts_is_rejected_and_the_endpoint_made_anew() -> None:
    world = DeployWorld()
    world.sagemaker.package(1)
    world.sagemaker.unhealthy[1] = UNHEALTHY
    assert world.deploy().error == "Deploy.Rejected"
    world.sagemaker.package(2)
    ended = world.deploy()
    assert "Delete endpoint" in ended.states
    assert world.sagemaker.served == 2


def test_a_version_that_cannot_read_is_rejected_and_the_one_before_comes_back(
    world: DeployWorld,
) -> None:
    world.blind = {2}
    ended = world.deploy()
    assert ended.error == "Deploy.Rejected"
    assert "1 of 20" in world.sagemaker.packages[2]["ApprovalDescription"]
    assert world.deploy().output["package_version"] == 1
    assert world.sagemaker.served == 1


def test_a_broken_golden_set_does_not_reject_one_version_after_the_other(
    world: DeployWorld,
) -> None:
    world.blind = {1, 2}
    assert world.deploy().error == "Deploy.Rejected"
    ended = world.deploy()
    assert ended.error == "Deploy.Failed"
    assert "passed before" in ended.cause
    assert world.sagemaker.approval(1) == "Approved"
    assert world.sagemaker.served == 1


def test_a_version_whose_artefact_is_gone_is_rejected_and_the_old_one_stays(
    world: DeployWorld,
) -> None:
    world.bucket.gone.add("models/2")
    assert world.deploy().error == "Deploy.Rejected"
    assert "no model of version 2" in world.sagemaker.packages[2]["ApprovalDescription"]
    assert world.deploy().output["outcome"] == "Already serving"
    assert world.sagemaker.served == 1


def test_the_only_approved_version_is_not_rejected_for_what_it_misreads() -> None:
    world = DeployWorld()
    world.sagemaker.package(1)
    world.blind = {1}
    ended = world.deploy()
    assert ended.error == "Deploy.Failed"
    assert "only approved" in ended.cause
    assert (world.sagemaker.approval(1), world.sagemaker.served) == ("Approved", 1)


def test_a_version_that_was_serving_before_is_not_rejected_for_what_it_misreads(
    world: DeployWorld,
) -> None:
    world.lambda_faults["SmokeTest"] = [refused("S3 is slow", "SlowDown")] * 3
    assert world.deploy().status == "FAILED"
    world.blind = {2}
    ended = world.deploy()
    assert ended.error == "Deploy.Failed"
    assert "was serving before" in ended.cause
    assert (world.sagemaker.approval(2), world.sagemaker.served) == ("Approved", 2)


def test_a_reason_of_several_lines_becomes_one_that_the_registry_takes(world: DeployWorld) -> None:
    world.sagemaker.unhealthy[2] = f"{UNHEALTHY}\n\u2028See\x07 the\u2029log.\r\n" + "x" * 2000
    assert world.deploy().error == "Deploy.Rejected"
    told = world.sagemaker.packages[2]["ApprovalDescription"]
    assert "endpoint. See the log. xxx" in told
    assert len(told) == 1000


# --- faults of the account


@pytest.mark.parametrize(
    "reason",
    [
        CAPACITY,
        "Request to service failed. If failure persists after retry, contact customer support.",
        "Access denied while pulling the image.",
        "Something that nobody has heard of.",
    ],
)
def test_a_rollback_that_is_not_the_model_s_fault_leaves_it_approved(
    world: DeployWorld, reason: str
) -> None:
    world.sagemaker.unhealthy[2] = reason
    ended = world.deploy()
    assert (ended.error, outcomes(world)) == ("Deploy.Failed", ["Failed"])
    assert reason in ended.cause
    assert world.sagemaker.approval(2) == "Approved"
    del world.sagemaker.unhealthy[2]
    assert world.deploy().output["package_version"] == 2


@pytest.mark.parametrize("operation", ["update_endpoint", "create_endpoint_config", "create_model"])
def test_throttling_is_waited_out(world: DeployWorld, operation: str) -> None:
    world.sagemaker.fail(operation, THROTTLED, times=2)
    assert world.deploy().output["package_version"] == 2


def test_a_quota_that_is_raised_in_time_is_waited_for(world: DeployWorld) -> None:
    world.sagemaker.fail("update_endpoint", QUOTA, times=4)
    assert world.deploy().output["package_version"] == 2


def test_a_quota_that_stays_fails_the_deployment_and_blames_nobody(world: DeployWorld) -> None:
    world.sagemaker.fail("update_endpoint", QUOTA, times=6)
    ended = world.deploy()
    assert (ended.status, outcomes(world)) == ("FAILED", ["Failed"])
    assert "service limit is 0" in ended.cause
    assert (world.sagemaker.approval(2), world.sagemaker.served) == ("Approved", 1)
    assert world.deploy().output["package_version"] == 2


def test_a_registry_that_throttles_is_asked_again(world: DeployWorld) -> None:
    world.sagemaker.fail("list_model_packages", THROTTLED, times=2)
    assert world.deploy().output["package_version"] == 2


def test_a_registry_that_stays_away_fails_the_deployment_with_its_words(
    world: DeployWorld,
) -> None:
    world.sagemaker.fail("list_model_packages", THROTTLED, times=3)
    ended = world.deploy()
    assert "Rate exceeded" in ended.cause
    assert world.announced[0]["endpoint_name"] == "ocr-retrain"
    assert (world.sagemaker.approval(2), world.sagemaker.served) == ("Approved", 1)


def test_a_smoke_test_that_could_not_be_made_is_made_up_for_by_the_next_look(
    world: DeployWorld,
) -> None:
    world.lambda_faults["SmokeTest"] = [refused("S3 is slow", "SlowDown")] * 3
    assert world.deploy().status == "FAILED"
    assert (world.sagemaker.approval(2), world.sagemaker.served) == ("Approved", 2)
    ended = world.deploy()
    assert (ended.output["outcome"], world.smoke_tests[-1]) == ("Already serving", 2)
    assert "Smoke-test endpoint" not in world.deploy().states


def test_scaling_and_cleaning_that_fail_do_not_fail_a_deployment(world: DeployWorld) -> None:
    world.lambda_faults["ScaleEndpoint"] = [refused("No service-linked role.")] * 3
    world.lambda_faults["CleanUp"] = [refused("Rate exceeded")] * 3
    ended = world.deploy()
    assert ended.output["outcome"] == "Serving"
    assert "No service-linked role." in world.announced[0]["reason"]


# --- answers that were lost


@pytest.mark.parametrize(
    "operation", ["create_model", "create_endpoint_config", "update_endpoint", "create_endpoint"]
)
def test_a_call_whose_answer_was_lost_is_not_done_twice(operation: str) -> None:
    world = DeployWorld()
    world.sagemaker.package(1)
    lost = refused("Connection was closed before we received a valid response", "Lost")
    if operation == "update_endpoint":
        world.deploy()
        world.sagemaker.package(2)
    world.sagemaker.fail(operation, lost, done=True)
    ended = world.deploy()
    assert ended.status == "SUCCEEDED"
    newest = max(world.sagemaker.packages)
    assert (world.sagemaker.served, world.smoke_tests[-1]) == (newest, newest)
    assert len(world.sagemaker.models) == newest


# --- states of the endpoint


@pytest.mark.parametrize("status", ["SystemUpdating", "RollingBack", "Deleting"])
def test_an_endpoint_that_is_changing_is_waited_for(world: DeployWorld, status: str) -> None:
    assert world.sagemaker.endpoint is not None
    world.sagemaker.endpoint["EndpointStatus"] = status
    world.sagemaker.ready_at = world.sagemaker.clock + 100
    ended = world.deploy()
    assert "Wait for the other deployment" in ended.states
    assert world.sagemaker.served == 2


@pytest.mark.parametrize("status", ["OutOfService", "UpdateRollbackFailed"])
def test_an_endpoint_in_a_bad_state_is_updated_out_of_it(world: DeployWorld, status: str) -> None:
    assert world.sagemaker.endpoint is not None
    world.sagemaker.endpoint["EndpointStatus"] = status
    assert world.deploy().output["outcome"] == "Serving"
    assert world.sagemaker.endpoint["EndpointStatus"] == "InService"


def test_a_failed_endpoint_is_deleted_and_made_again(world: DeployWorld) -> None:
    assert world.sagemaker.endpoint is not None
    world.sagemaker.endpoint["EndpointStatus"] = "Failed"
    ended = world.deploy()
    assert "Delete endpoint" in ended.states
    assert world.sagemaker.served == 2


def test_an_endpoint_that_ends_out_of_service_is_the_model_s_fault_only_if_it_says_so(
    world: DeployWorld,
) -> None:
    def end_badly() -> None:
        endpoint = world.sagemaker.endpoint
        assert endpoint is not None
        endpoint.update(EndpointStatus="UpdateRollbackFailed", FailureReason=CAPACITY)
        world.sagemaker.pending = ""

    world.sagemaker.before("update_endpoint", lambda: later(world, end_badly))
    assert world.deploy().error == "Deploy.Failed"
    assert world.sagemaker.approval(2) == "Approved"


def later(world: DeployWorld, act: Callable[[], object]) -> None:
    """Act just before the endpoint is looked at the next time."""
    world.sagemaker.before("describe_endpoint", act)


# --- other people, at the same time


def test_an_update_that_is_refused_because_of_another_waits_and_looks_again(
    world: DeployWorld,
) -> None:
    world.sagemaker.fail("update_endpoint", BUSY, times=3)
    ended = world.deploy()
    assert "Wait for the other deployment" in ended.states
    assert world.sagemaker.served == 2


def test_of_two_deployments_at_once_one_updates_and_the_other_does_nothing(
    world: DeployWorld,
) -> None:
    first: list[Ended] = []
    # The second has decided already when the first does all of its work.
    world.sagemaker.before("create_endpoint_config", lambda: first.append(world.deploy()))
    second = world.deploy()
    assert first[0].output["outcome"] == "Serving"
    assert second.status == "SUCCEEDED"
    assert (world.sagemaker.served, world.sagemaker.approval(2)) == (2, "Approved")


def test_a_deployment_that_is_overtaken_by_a_newer_approval_rejects_nothing(
    world: DeployWorld,
) -> None:
    def overtake() -> None:
        world.sagemaker.pass_time(1000)
        world.sagemaker.package(3)
        assert world.deploy().output["package_version"] == 3

    world.sagemaker.before("update_endpoint", lambda: later(world, overtake))
    ended = world.deploy()
    assert ended.output["outcome"] == "Already serving"
    assert ended.output["package_version"] == 3
    assert world.sagemaker.approval(2) == "Approved"


def test_a_version_that_is_rejected_by_a_person_meanwhile_keeps_the_person_s_reason(
    world: DeployWorld,
) -> None:
    def reject() -> None:
        about = {"ModelApprovalStatus": "Rejected", "ApprovalDescription": "I do not like it."}
        world.sagemaker.packages[2].update(about)

    world.blind = {2}
    world.sagemaker.before("update_endpoint", reject)
    assert world.deploy().output["package_version"] == 1
    assert world.sagemaker.packages[2]["ApprovalDescription"] == "I do not like it."
    assert world.sagemaker.served == 1


def test_a_package_that_is_deleted_meanwhile_makes_way_for_the_one_before(
    world: DeployWorld,
) -> None:
    world.sagemaker.before("create_model", lambda: world.sagemaker.packages.pop(2))
    ended = world.deploy()
    assert (ended.output["outcome"], world.sagemaker.served) == ("Already serving", 1)


def test_an_endpoint_that_is_deleted_meanwhile_is_made_again(world: DeployWorld) -> None:
    def delete() -> None:
        world.sagemaker.endpoint, world.sagemaker.pending = None, ""

    world.sagemaker.before("update_endpoint", lambda: later(world, delete))
    assert world.deploy().output["package_version"] == 2
    assert world.sagemaker.served == 2


def test_what_somebody_changed_by_hand_is_put_right_and_told(world: DeployWorld) -> None:
    world.deploy()
    world.announced.clear()
    config: dict[str, Any] = {
        "ProductionVariants": [{"ModelName": "by-hand", "InstanceType": "ml.m5.large"}]
    }
    world.sagemaker.configs["by-hand"] = config
    package = world.sagemaker.packages[1]["ModelPackageArn"]
    world.sagemaker.models["by-hand"] = {"PrimaryContainer": {"ModelPackageName": package}}
    assert world.sagemaker.endpoint is not None
    world.sagemaker.endpoint["EndpointConfigName"] = "by-hand"
    assert world.deploy().output["package_version"] == 2
    assert "changed by hand" in world.announced[0]["reason"]
    assert world.sagemaker.served == 2


def test_the_serving_package_that_was_deleted_makes_way_for_the_newest_there_is(
    world: DeployWorld,
) -> None:
    world.deploy()
    del world.sagemaker.packages[2]
    assert world.deploy().output["package_version"] == 1
    assert world.sagemaker.served == 1


# --- how it is updated


def test_an_update_bakes_under_every_alarm_that_is_quiet() -> None:
    world = DeployWorld(rollback_alarms="errors latency gone", bake_seconds=90)
    world.alarms.states = {"errors": "OK", "latency": "ALARM"}
    world.sagemaker.package(1)
    world.deploy()
    world.sagemaker.package(2)
    world.deploy()
    (update,) = world.sagemaker.updates
    assert update["DeploymentConfig"] == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 90},
            "TerminationWaitInSeconds": 60,
            "MaximumExecutionTimeoutInSeconds": 2580,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }
    assert update["RetainAllVariantProperties"] is False


def test_with_several_instances_one_gets_traffic_first_and_scaling_keeps_their_number() -> None:
    world = DeployWorld(endpoint_instance_count=1, endpoint_max_instance_count=8)
    world.sagemaker.package(1)
    world.deploy()
    assert world.sagemaker.endpoint is not None
    world.sagemaker.endpoint["ProductionVariants"][0]["DesiredInstanceCount"] = 3
    world.sagemaker.package(2)
    world.deploy()
    (update,) = world.sagemaker.updates
    routing = update["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["CanarySize"] == {"Type": "INSTANCE_COUNT", "Value": 1}
    assert "AutoRollbackConfiguration" not in update["DeploymentConfig"]
    assert update["RetainAllVariantProperties"] is True


def test_the_machine_is_told_what_it_asks_for() -> None:
    asked = {"smoke_tested", "update_policy", "keep_instance_count", "previous_config", "notice"}
    assert asked <= set(Decision.__annotations__)


NETWORK = {"vpc_subnet_ids": ("subnet-1",), "vpc_security_group_ids": ("sg-1",)}


def test_another_network_is_another_model_of_the_same_version() -> None:
    world = DeployWorld()
    world.sagemaker.package(1, tested=True)
    world.deploy()
    (first,) = world.sagemaker.models
    world.settings = world.settings.model_copy(update=NETWORK)

    assert world.deploy().output["outcome"] == "Serving"

    (second,) = set(world.sagemaker.models) - {first}
    assert world.sagemaker.models[second]["VpcConfig"]["Subnets"] == ["subnet-1"]
    assert "VpcConfig" not in world.sagemaker.models[first]
    assert world.sagemaker.served == 1
    assert world.deploy().output["outcome"] == "Already serving"


def test_a_changed_share_of_captured_requests_changes_the_endpoint_once() -> None:
    world = DeployWorld()
    world.sagemaker.package(1, tested=True)
    world.deploy()
    world.settings = world.settings.model_copy(update={"data_capture_percent": 10})

    ended = world.deploy()

    assert "0 % of its requests captured instead of 10 %" in ended.output["reason"]
    capture = list(world.sagemaker.configs.values())[-1]["DataCaptureConfig"]
    assert capture["InitialSamplingPercentage"] == 10
    assert world.deploy().output["outcome"] == "Already serving"


# The world's clock begins on Thursday, 1970-01-01, 00:00 UTC.
DAYTIME = {"endpoint_hours": "MON-SUN 08:00-18:00", "endpoint_time_zone": "UTC"}
HOUR = 3600.0


def test_outside_its_hours_the_endpoint_goes_and_comes_back_by_itself() -> None:
    world = DeployWorld(**DAYTIME)
    world.sagemaker.package(1, tested=True)

    assert world.deploy().output["outcome"] == "Off"
    assert world.sagemaker.endpoint is None

    world.sagemaker.pass_time(9 * HOUR)
    assert world.deploy().output["outcome"] == "Serving"
    assert world.sagemaker.served == 1

    world.sagemaker.pass_time(10 * HOUR)
    off = world.deploy()
    assert "Turn endpoint off" in off.states
    assert off.output["outcome"] == "Off"
    assert "off until Friday 08:00" in off.output["reason"]
    assert world.sagemaker.endpoint is None
    # The check of the endpoint, an approval, a run: none of them brings it back in between.
    again = world.deploy()
    assert (again.output["outcome"], again.states[-1]) == ("Off", "Off")
    assert world.sagemaker.endpoint is None


def test_what_is_approved_at_night_serves_in_the_morning() -> None:
    world = DeployWorld(**DAYTIME)
    world.sagemaker.package(1, tested=True)
    world.sagemaker.pass_time(9 * HOUR)
    world.deploy()
    world.sagemaker.pass_time(12 * HOUR)
    world.sagemaker.package(2)

    night = world.deploy()

    assert night.output["package_arn"].endswith("/2")
    world.sagemaker.pass_time(12 * HOUR)
    assert world.deploy().output["package_version"] == 2
    assert world.sagemaker.served == 2


def test_an_update_under_way_is_waited_for_before_the_endpoint_goes() -> None:
    world = DeployWorld(**DAYTIME)
    world.sagemaker.package(1, tested=True)
    world.sagemaker.pass_time(9 * HOUR)
    world.deploy()
    world.sagemaker.pass_time(9 * HOUR)
    assert world.sagemaker.endpoint is not None
    world.sagemaker.endpoint["EndpointStatus"] = "SystemUpdating"
    world.sagemaker.ready_at = world.sagemaker.clock + 100

    ended = world.deploy()

    assert ended.output["outcome"] == "Off"
    assert "Wait for the other deployment" in ended.states
    assert world.sagemaker.endpoint is None
