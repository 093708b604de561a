from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from retraining.scaling import Scaler

from .conftest import client

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
VARIANT = "endpoint/ocr-retrain/variant/AllTraffic"


def scale(clients: ModuleType, lowest: int, highest: int) -> str:
    settings = clients.settings().model_copy(
        update={"endpoint_instance_count": lowest, "endpoint_max_instance_count": highest}
    )
    return Scaler(clients.autoscaling(), clients.cloudwatch(), settings).set()


def targets() -> list[tuple[str, int, int]]:
    found = client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    return [(each["ResourceId"], each["MinCapacity"], each["MaxCapacity"]) for each in found]


def policies() -> list[dict[str, Any]]:
    found = client("application-autoscaling").describe_scaling_policies(
        ServiceNamespace="sagemaker"
    )
    return list(found["ScalingPolicies"])


def test_the_number_of_instances_follows_the_load(clients: ModuleType) -> None:
    assert "1 to 4 instances" in scale(clients, 1, 4)
    assert targets() == [(VARIANT, 1, 4)]
    (policy,) = policies()
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 600
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    }


def test_other_limits_replace_the_ones_before(clients: ModuleType) -> None:
    scale(clients, 1, 4)
    scale(clients, 2, 8)
    assert targets() == [(VARIANT, 2, 8)]
    assert len(policies()) == 1


def test_a_maximum_below_the_number_of_instances_is_that_number(clients: ModuleType) -> None:
    scale(clients, 3, 2)
    assert targets() == [(VARIANT, 3, 3)]


def test_without_a_maximum_the_scaling_is_removed(clients: ModuleType) -> None:
    scale(clients, 1, 4)
    assert "fixed" in scale(clients, 1, 0)
    assert targets() == []


@pytest.mark.parametrize("times", [1, 2])
def test_an_endpoint_that_does_not_scale_is_left_as_it_is(invoke: Invoke, times: int) -> None:
    for _ in range(times):
        assert "fixed" in invoke("scale_endpoint", {})["why"]
    assert targets() == []


def test_an_asynchronous_endpoint_follows_its_backlog_and_sleeps_without_one(
    clients: ModuleType,
) -> None:
    scale(clients, 1, 4)
    settings = clients.settings().model_copy(
        update={"endpoint_async": True, "endpoint_max_instance_count": 3}
    )
    scaler = Scaler(clients.autoscaling(), clients.cloudwatch(), settings)
    assert "0 to 3 instances" in scaler.set()
    assert targets() == [(VARIANT, 0, 3)]
    by_name = {each["PolicyName"]: each for each in policies()}
    assert set(by_name) == {"ocr-retrain-backlog", "ocr-retrain-wake"}
    tracking = by_name["ocr-retrain-backlog"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 5
    metric = tracking["CustomizedMetricSpecification"]
    assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=["ocr-retrain-endpoint-asleep"])[
        "MetricAlarms"
    ]
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    assert alarm["AlarmActions"] == [by_name["ocr-retrain-wake"]["PolicyARN"]]


def test_an_endpoint_that_is_asynchronous_no_longer_keeps_nothing_of_it(
    clients: ModuleType,
) -> None:
    settings = clients.settings().model_copy(update={"endpoint_async": True})
    Scaler(clients.autoscaling(), clients.cloudwatch(), settings).set()
    scale(clients, 1, 4)
    assert targets() == [(VARIANT, 1, 4)]
    assert [each["PolicyName"] for each in policies()] == ["ocr-retrain-load"]
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
