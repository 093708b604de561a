"""Models, endpoint configurations and endpoints."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import BUCKET, IMAGE, ROLE, Cloud, archive, unique, wait_for

PREFIX = "arn:aws:sagemaker:us-east-1:123456789012:"


def make_model(cloud: Cloud, behaviour: str = "first") -> str:
    name = unique("model")
    container = {"Image": IMAGE, "ModelDataUrl": cloud.put_model(behaviour)}
    cloud.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return name


def make_config(cloud: Cloud, model: str, **changes: Any) -> str:  # noqa: ANN401
    name = unique("config")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.g4dn.xlarge",
        **changes,
    }
    cloud.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    return name


def make_endpoint(cloud: Cloud, behaviour: str = "first") -> tuple[str, str]:
    name, config = unique("endpoint"), make_config(cloud, make_model(cloud, behaviour))
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    return name, config


def settled(cloud: Cloud, name: str) -> dict[str, Any]:
    def describe() -> dict[str, Any] | None:
        endpoint: dict[str, Any] = cloud.sagemaker.describe_endpoint(EndpointName=name)
        return endpoint if endpoint["EndpointStatus"] in ("InService", "Failed") else None

    endpoint: dict[str, Any] = wait_for(describe)
    return endpoint


def echo(cloud: Cloud, name: str) -> dict[str, Any]:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"echo")
    told: dict[str, Any] = json.loads(answer["Body"].read())
    return told


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_endpoint_serves_its_model(cloud: Cloud) -> None:
    name, config = make_endpoint(cloud)
    created = cloud.sagemaker.describe_endpoint(EndpointName=name)
    assert created["EndpointStatus"] == "Creating"
    assert created["EndpointConfigName"] == config
    endpoint = settled(cloud, name)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointArn"] == f"{PREFIX}endpoint/{name}"
    assert "PendingDeploymentSummary" not in endpoint
    (variant,) = endpoint["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert echo(cloud, name)["behaviour"] == "first"
    group = f"/aws/sagemaker/Endpoints/{name}"
    assert wait_for(lambda: cloud.log_lines(group, "AllTraffic/")) == ["serving first"]


def test_endpoint_serves_a_model_package(cloud: Cloud) -> None:
    group, name = unique("group"), unique("model")
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    package = cloud.sagemaker.create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "ModelDataUrl": cloud.put_model("packaged")}],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    cloud.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        Containers=[{"ModelPackageName": package}],
        EnableNetworkIsolation=True,
    )
    model = cloud.sagemaker.describe_model(ModelName=name)
    assert model["Containers"] == [{"ModelPackageName": package}]
    assert model["EnableNetworkIsolation"] is True
    endpoint = unique("endpoint")
    cloud.sagemaker.create_endpoint(
        EndpointName=endpoint, EndpointConfigName=make_config(cloud, name)
    )
    settled(cloud, endpoint)
    assert echo(cloud, endpoint)["behaviour"] == "packaged"


def test_old_server_answers_until_the_new_one_is_healthy(cloud: Cloud) -> None:
    name, old_config = make_endpoint(cloud)
    settled(cloud, name)
    old_pid = echo(cloud, name)["pid"]
    config = make_config(cloud, make_model(cloud, "late"))
    cloud.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    updating = cloud.sagemaker.describe_endpoint(EndpointName=name)
    assert updating["EndpointStatus"] == "Updating"
    assert updating["EndpointConfigName"] == old_config
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == config
    assert echo(cloud, name)["behaviour"] == "first"
    endpoint = settled(cloud, name)
    assert endpoint["EndpointConfigName"] == config
    assert echo(cloud, name)["behaviour"] == "late"
    wait_for(lambda: not is_running(old_pid))


def test_no_request_fails_during_an_update(cloud: Cloud) -> None:
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    seen: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            seen.append(echo(cloud, name)["behaviour"])

    with ThreadPoolExecutor(3) as pool:
        askers = [pool.submit(keep_asking) for _ in range(3)]
        config = make_config(cloud, make_model(cloud, "second"))
        cloud.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        settled(cloud, name)
        time.sleep(0.3)
        done.set()
        for asker in askers:
            asker.result()
    assert set(seen) == {"first", "second"}


@pytest.mark.parametrize("behaviour", ["exits", "never healthy"])
def test_unhealthy_update_rolls_back_to_the_old_configuration(
    cloud: Cloud, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, old_config = make_endpoint(cloud)
    settled(cloud, name)
    old_pid = echo(cloud, name)["pid"]
    monkeypatch.setattr("localcloud.sagemaker_endpoints._STARTUP_SECONDS", 1.0)
    bad_config = make_config(cloud, make_model(cloud, behaviour))
    cloud.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=bad_config)
    endpoint = settled(cloud, name)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == old_config
    assert "did not pass the ping health check" in endpoint["FailureReason"]
    assert echo(cloud, name)["pid"] == old_pid
    monkeypatch.undo()
    cloud.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=old_config)
    assert "FailureReason" not in settled(cloud, name)


def test_endpoint_that_never_becomes_healthy_fails(cloud: Cloud) -> None:
    name, _ = make_endpoint(cloud, "exits")
    endpoint = settled(cloud, name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"].startswith(
        "The primary container for production variant AllTraffic did not pass the ping"
    )
    with pytest.raises(ClientError, match="delete it and create it again"):
        cloud.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=make_config(cloud, make_model(cloud))
        )
    cloud.sagemaker.delete_endpoint(EndpointName=name)


def test_archive_that_leaves_the_model_directory_is_refused(cloud: Cloud) -> None:
    key = f"{unique('evil')}/model.tar.gz"
    cloud.put({key: archive({"../../evil": "x"})})
    model = unique("model")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{key}"}
    cloud.sagemaker.create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    name = unique("endpoint")
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=make_config(cloud, model))
    endpoint = settled(cloud, name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "cannot be unpacked" in endpoint["FailureReason"]


def test_busy_endpoint_can_be_neither_updated_nor_deleted(cloud: Cloud) -> None:
    name, config = make_endpoint(cloud, "late")
    message = f'Cannot update in-progress endpoint "{PREFIX}endpoint/{name}"'
    with pytest.raises(ClientError, match=message):
        cloud.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    with pytest.raises(ClientError, match=message):
        cloud.sagemaker.delete_endpoint(EndpointName=name)
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    settled(cloud, name)


def test_deleted_endpoint_is_gone_and_its_server_too(cloud: Cloud) -> None:
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    pid = echo(cloud, name)["pid"]
    cloud.sagemaker.delete_endpoint(EndpointName=name)
    cloud.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    assert not is_running(pid)
    with pytest.raises(ClientError, match=f'Could not find endpoint "{PREFIX}endpoint/{name}"'):
        cloud.sagemaker.describe_endpoint(EndpointName=name)


def test_dead_server_is_started_again_once(cloud: Cloud) -> None:
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    first_pid = echo(cloud, name)["pid"]

    def die() -> None:
        runtime = cloud.client("sagemaker-runtime")
        with pytest.raises(runtime.exceptions.ModelError, match="server error \\(0\\)"):
            runtime.invoke_endpoint(EndpointName=name, Body=b"die")

    def answers() -> int | None:
        try:
            pid: int = echo(cloud, name)["pid"]
        except ClientError:
            return None
        return pid

    die()
    assert wait_for(answers) != first_pid
    die()
    endpoint = wait_for(lambda: _failed(cloud, name))
    assert "did not pass the ping health check" in endpoint["FailureReason"]


def test_deployment_configuration_is_kept(cloud: Cloud) -> None:
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    policy = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": 60,
        }
    }
    cloud.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=make_config(cloud, make_model(cloud)),
        DeploymentConfig=policy,
    )
    assert settled(cloud, name)["LastDeploymentConfig"] == policy


def baking(seconds: int, *alarms: str) -> dict[str, Any]:
    """Make a DeploymentConfig that watches these alarms for a while."""
    config: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "ALL_AT_ONCE",
                "WaitIntervalInSeconds": seconds,
            }
        }
    }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": each} for each in alarms]}
    return config


def make_alarm(cloud: Cloud) -> str:
    name = unique("alarm")
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.05,
        ComparisonOperator="GreaterThanThreshold",
    )
    return name


def raise_alarm(cloud: Cloud, name: str) -> None:
    cloud.client("cloudwatch").set_alarm_state(
        AlarmName=name, StateValue="ALARM", StateReason="a test"
    )


def begin_update(cloud: Cloud, name: str, behaviour: str, config: dict[str, Any]) -> str:
    new = make_config(cloud, make_model(cloud, behaviour))
    cloud.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=new, DeploymentConfig=config
    )
    return new


def test_an_alarm_while_new_servers_bake_brings_the_old_ones_back(cloud: Cloud) -> None:
    name, old_config = make_endpoint(cloud)
    settled(cloud, name)
    old_pid = echo(cloud, name)["pid"]
    alarm = make_alarm(cloud)
    begin_update(cloud, name, "second", baking(60, alarm))
    new_pid = wait_for(lambda: _pid_of(cloud, name, "second"))
    baking_now = cloud.sagemaker.describe_endpoint(EndpointName=name)
    assert baking_now["EndpointStatus"] == "Updating"
    assert baking_now["EndpointConfigName"] == old_config
    raise_alarm(cloud, alarm)
    endpoint = settled(cloud, name)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", old_config)
    assert alarm in endpoint["FailureReason"]
    assert echo(cloud, name)["pid"] == old_pid
    wait_for(lambda: not is_running(new_pid))


def test_without_an_alarm_the_new_configuration_counts_after_the_baking_time(
    cloud: Cloud,
) -> None:
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    alarm = make_alarm(cloud)
    started = time.monotonic()
    new_config = begin_update(cloud, name, "second", baking(1, alarm))
    assert settled(cloud, name)["EndpointConfigName"] == new_config
    assert time.monotonic() - started >= 1


def test_an_alarm_that_was_raised_before_ends_every_update(cloud: Cloud) -> None:
    name, old_config = make_endpoint(cloud)
    settled(cloud, name)
    alarm = make_alarm(cloud)
    raise_alarm(cloud, alarm)
    begin_update(cloud, name, "second", baking(0, alarm))
    endpoint = settled(cloud, name)
    assert endpoint["EndpointConfigName"] == old_config
    assert alarm in endpoint["FailureReason"]


def test_new_servers_that_end_while_they_bake_give_way_to_the_old_ones(cloud: Cloud) -> None:
    name, old_config = make_endpoint(cloud)
    settled(cloud, name)
    begin_update(cloud, name, "second", baking(60))
    wait_for(lambda: _pid_of(cloud, name, "second"))
    runtime = cloud.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError):
        runtime.invoke_endpoint(EndpointName=name, Body=b"die")
    endpoint = settled(cloud, name)
    assert endpoint["EndpointConfigName"] == old_config
    assert "ping health check" in endpoint["FailureReason"]
    assert echo(cloud, name)["behaviour"] == "first"


@pytest.mark.parametrize(("retained", "instances"), [(True, 4), (False, 1)])
def test_the_number_of_instances_outlives_an_update_that_retains_it(
    cloud: Cloud, retained: bool, instances: int
) -> None:
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    cloud.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 4}],
    )
    assert settled(cloud, name)["ProductionVariants"][0]["DesiredInstanceCount"] == 4
    cloud.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=make_config(cloud, make_model(cloud)),
        RetainAllVariantProperties=retained,
    )
    assert settled(cloud, name)["ProductionVariants"][0]["DesiredInstanceCount"] == instances


def test_missing_names_are_reported_with_their_arns(cloud: Cloud) -> None:
    sagemaker = cloud.sagemaker
    name, _ = make_endpoint(cloud)
    settled(cloud, name)
    config = f'Could not find endpoint configuration "{PREFIX}endpoint-config/nope"'
    with pytest.raises(ClientError, match=config):
        sagemaker.create_endpoint(EndpointName="other", EndpointConfigName="nope")
    with pytest.raises(ClientError, match=config):
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName="nope")
    with pytest.raises(ClientError, match=config):
        sagemaker.delete_endpoint_config(EndpointConfigName="nope")
    with pytest.raises(ClientError, match=f'Could not find endpoint "{PREFIX}endpoint/nope"'):
        sagemaker.update_endpoint(EndpointName="nope", EndpointConfigName="nope")
    model = f'Could not find model "{PREFIX}model/nope"'
    with pytest.raises(ClientError, match=model):
        make_config(cloud, "nope")
    with pytest.raises(ClientError, match=model):
        sagemaker.delete_model(ModelName="nope")


def test_model_without_data_or_image_is_refused(cloud: Cloud) -> None:
    def create(**container: str) -> None:
        cloud.sagemaker.create_model(
            ModelName=unique("model"), ExecutionRoleArn=ROLE, PrimaryContainer=container
        )

    with pytest.raises(ClientError, match="Could not find model data at s3://no/model.tar.gz"):
        create(Image=IMAGE, ModelDataUrl="s3://no/model.tar.gz")
    with pytest.raises(ClientError, match="cannot pull elsewhere/image:1"):
        create(Image="elsewhere/image:1", ModelDataUrl=cloud.put_model("first"))


def test_model_and_configuration_in_use_can_be_deleted_as_on_aws(cloud: Cloud) -> None:
    model = make_model(cloud)
    config = make_config(cloud, model)
    name = unique("endpoint")
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    settled(cloud, name)
    cloud.sagemaker.delete_model(ModelName=model)
    cloud.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    assert echo(cloud, name)["behaviour"] == "first"
    endpoint = cloud.sagemaker.describe_endpoint(EndpointName=name)
    assert endpoint["EndpointConfigName"] == config


def test_configuration_repeats_the_request(cloud: Cloud) -> None:
    model = make_model(cloud)
    name = make_config(cloud, model, ContainerStartupHealthCheckTimeoutInSeconds=90)
    config = cloud.sagemaker.describe_endpoint_config(EndpointConfigName=name)
    (variant,) = config["ProductionVariants"]
    assert variant["ModelName"] == model
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 90
    assert variant["InitialVariantWeight"] == 1.0
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        cloud.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )


def test_resources_are_listed_newest_first(cloud: Cloud) -> None:
    models = [make_model(cloud) for _ in range(2)]
    configs = [make_config(cloud, model) for model in models]
    listed_models = cloud.sagemaker.list_models(MaxResults=2)["Models"]
    assert [model["ModelName"] for model in listed_models] == models[::-1]
    listed = cloud.sagemaker.list_endpoint_configs(MaxResults=2)["EndpointConfigs"]
    assert [config["EndpointConfigName"] for config in listed] == configs[::-1]


def test_status_changes_are_announced(
    cloud: Cloud, bus: Callable[[], list[dict[str, Any]]]
) -> None:
    name, _ = make_endpoint(cloud)
    arn = settled(cloud, name)["EndpointArn"]

    def statuses() -> set[str]:
        return {
            event["detail"]["EndpointStatus"]
            for event in bus()
            if event["resources"] == [arn]
            and event["detail-type"] == "SageMaker Endpoint State Change"
        }

    wait_for(lambda: statuses() == {"CREATING", "IN_SERVICE"})


def test_endpoint_in_a_template_is_refused(cloud: Cloud) -> None:
    template = {"Resources": {"Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": {}}}}
    formation = cloud.client("cloudformation")
    with pytest.raises(ClientError, match="does not create AWS::SageMaker::Endpoint"):
        formation.create_stack(StackName=unique("stack"), TemplateBody=json.dumps(template))


def _pid_of(cloud: Cloud, name: str, behaviour: str) -> int | None:
    answer = echo(cloud, name)
    return int(answer["pid"]) if answer["behaviour"] == behaviour else None


def _failed(cloud: Cloud, name: str) -> dict[str, Any] | None:
    endpoint: dict[str, Any] = cloud.sagemaker.describe_endpoint(EndpointName=name)
    return endpoint if endpoint["EndpointStatus"] == "Failed" else None
