from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from moto.sagemaker.models import FakeEndpointConfig, Model, sagemaker_backends

from retraining import names
from retraining.clean_up import UNTOUCHED, CleanedUp, clean_up

from .conftest import ACCOUNT, IMAGE, NOW, REGION, approved_package, client

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
LATER = NOW + timedelta(days=30)


def model_name(version: int) -> str:
    return f"ocr-retrain-v{version}-{version:08x}"


def config_name(version: int) -> str:
    return f"ocr-retrain-v{version}-20261122{version:06d}-beef"


def make(model: str, config: str, *, age: timedelta) -> None:
    """Make a model and a configuration with it, that many hours before ``LATER``."""
    service = client("sagemaker")
    service.create_model(
        ModelName=model,
        PrimaryContainer={"Image": IMAGE},
        ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/model",
    )
    variant = {"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m5.large"}
    service.create_endpoint_config(
        EndpointConfigName=config, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    backend = sagemaker_backends[ACCOUNT][REGION]
    known_model: Model = backend._models[model]
    known_config: FakeEndpointConfig = backend.endpoint_configs[config]
    made = f"{LATER - age:%Y-%m-%d %H:%M:%S}"
    known_model.creation_time = known_config.creation_time = made


def deployments(count: int) -> None:
    for version in range(1, count + 1):
        age = timedelta(days=count - version + 1)
        make(model_name(version), config_name(version), age=age)


def clean(clients: ModuleType, keep: int = 2) -> CleanedUp:
    settings = clients.settings().model_copy(update={"keep_deployments": keep})
    return clean_up(clients.sagemaker(), clients.registry(), settings, LATER)


def left() -> tuple[set[str], set[str]]:
    service = client("sagemaker")
    configs = service.list_endpoint_configs()["EndpointConfigs"]
    models = service.list_models()["Models"]
    return {each["EndpointConfigName"] for each in configs}, {each["ModelName"] for each in models}


def serve(endpoint: str, config: str) -> None:
    client("sagemaker").create_endpoint(EndpointName=endpoint, EndpointConfigName=config)


def test_the_last_deployments_are_kept_and_older_ones_deleted(clients: ModuleType) -> None:
    deployments(5)
    deleted = clean(clients)
    assert set(deleted["configs"]) == {config_name(version) for version in (1, 2, 3)}
    assert set(deleted["models"]) == {model_name(version) for version in (1, 2, 3)}
    assert left() == (
        {config_name(version) for version in (4, 5)},
        {model_name(version) for version in (4, 5)},
    )


@pytest.mark.parametrize("endpoint", ["ocr-retrain", "somebody-elses"])
def test_what_any_endpoint_uses_is_never_deleted(clients: ModuleType, endpoint: str) -> None:
    deployments(5)
    serve(endpoint, config_name(2))
    assert config_name(2) not in clean(clients)["configs"]
    configs, models = left()
    assert config_name(2) in configs
    assert model_name(2) in models


def test_a_model_that_a_configuration_made_by_hand_serves_is_kept(clients: ModuleType) -> None:
    deployments(5)
    variant = {"VariantName": "A", "ModelName": model_name(1), "InstanceType": "ml.m5.large"}
    client("sagemaker").create_endpoint_config(
        EndpointConfigName="by-hand", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    serve("ocr-retrain", "by-hand")
    assert model_name(1) not in clean(clients)["models"]


def test_what_is_being_deployed_now_is_never_deleted(
    clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments(5)
    serve("ocr-retrain", config_name(5))
    service = clients.sagemaker()
    describe = service.describe_endpoint

    def updating(**given: Any) -> Any:
        pending = {"PendingDeploymentSummary": {"EndpointConfigName": config_name(1)}}
        return {**describe(**given), **pending}

    monkeypatch.setattr(service, "describe_endpoint", updating)
    assert config_name(1) not in clean(clients)["configs"]


def test_the_champion_s_model_is_kept_however_old_it_is(clients: ModuleType) -> None:
    arn = approved_package()
    champion = clients.registry().describe(arn)
    name = names.model("ocr-retrain", champion.version, champion.arn, champion.created_at)
    make(name, "ocr-retrain-v1-20261122000099-beef", age=timedelta(days=29))
    deployments(5)
    assert name not in clean(clients)["models"]


def test_names_that_are_not_ours_are_left_alone(clients: ModuleType) -> None:
    others = ["ocr-retrain-v2", "ocr-retrain-v1-by-hand", "xocr-retrain-v1-00000001"]
    for name in others:
        make(name, f"{name}-config", age=timedelta(days=20))
    deployments(3)
    clean(clients)
    assert set(others) <= left()[1]
    assert {f"{name}-config" for name in others} <= left()[0]


def test_what_was_made_a_moment_ago_may_still_be_put_to_use(clients: ModuleType) -> None:
    for version in range(1, 6):
        make(model_name(version), config_name(version), age=UNTOUCHED - timedelta(minutes=1))
    assert clean(clients) == {"configs": [], "models": []}


def test_the_handler_tells_what_it_deleted(invoke: Invoke) -> None:
    assert invoke("clean_up", {}) == {"configs": [], "models": []}


def test_the_model_of_a_transcription_that_was_stopped_goes_when_it_is_old(
    clients: ModuleType,
) -> None:
    old, young, strange = (
        "ocr-retrain-20261122-101545-3fa9c1-transcribe",
        "ocr-retrain-20261222-101545-3fa9c1-transcribe",
        "ocr-retrain-my-own-transcribe",
    )
    for name, age in ((old, 9), (young, 7), (strange, 30)):
        make(name, f"config-of-{age}", age=timedelta(days=age))

    assert clean(clients)["models"] == [old]
    assert left()[1] == {young, strange}
