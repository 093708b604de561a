"""Deletes the models and endpoint configurations of old deployments, and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError

from retraining import names
from retraining.endpoint import is_missing
from retraining.protection import network_identity
from retraining.registry import Registry
from retraining.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

# What a deployment has made and not yet put to use is younger than any deployment can last.
UNTOUCHED = timedelta(hours=6)

# A transcription lasts a week at most, and deletes its model unless it was stopped.
LONGEST_TRANSCRIPTION = timedelta(days=8)


class CleanedUp(TypedDict):
    """The names of what was deleted."""

    configs: list[str]
    models: list[str]


def clean_up(
    client: "SageMakerClient", registry: Registry, settings: Settings, now: datetime
) -> CleanedUp:
    """Keep the last deployments, what any endpoint uses, the champion's model, and the young.

    A transcription that was stopped leaves its model, which is deleted when it is old.
    """
    in_use = set(_configs_in_use(client))
    configs = _configs(client, settings.prefix)
    old_configs = _old(configs, in_use, settings.keep_deployments, now)
    kept = in_use | (configs.keys() - set(old_configs))
    needed = {*_models_of(client, kept), _champions_model(registry, settings)}
    models = _models(client, f"{settings.prefix}-v", names.is_model_of, settings.prefix)
    old_models = _old(models, needed, settings.keep_deployments, now)
    old_models += _abandoned(client, settings.prefix, now)
    # Configurations first: one without its model would break whoever took it up again.
    return {
        "configs": [each for each in old_configs if _delete_config(client, each)],
        "models": [each for each in old_models if _delete_model(client, each)],
    }


def _old(made: Mapping[str, datetime], needed: Set[str], keep: int, now: datetime) -> list[str]:
    newest_first = sorted(made, key=lambda name: made[name], reverse=True)
    return [
        each for each in newest_first[keep:] if each not in needed and now - made[each] > UNTOUCHED
    ]


def _configs(client: "SageMakerClient", prefix: str) -> dict[str, datetime]:
    pages = client.get_paginator("list_endpoint_configs").paginate(NameContains=f"{prefix}-v")
    return {
        each["EndpointConfigName"]: each["CreationTime"]
        for page in pages
        for each in page["EndpointConfigs"]
        if names.is_endpoint_config_of(prefix, each["EndpointConfigName"])
    }


def _models(
    client: "SageMakerClient", part: str, is_ours: Callable[[str, str], bool], prefix: str
) -> dict[str, datetime]:
    pages = client.get_paginator("list_models").paginate(NameContains=part)
    return {
        each["ModelName"]: each["CreationTime"]
        for page in pages
        for each in page["Models"]
        if is_ours(prefix, each["ModelName"])
    }


def _abandoned(client: "SageMakerClient", prefix: str, now: datetime) -> list[str]:
    made = _models(client, "-transcribe", names.is_transcription_model, prefix)
    return [each for each in made if now - made[each] > LONGEST_TRANSCRIPTION]


def _configs_in_use(client: "SageMakerClient") -> Iterator[str]:
    """Give the configurations of all endpoints of the account: any may have borrowed ours."""
    for page in client.get_paginator("list_endpoints").paginate():
        for each in page["Endpoints"]:
            try:
                found = client.describe_endpoint(EndpointName=each["EndpointName"])
            except ClientError as error:
                if is_missing(error):
                    continue
                raise
            yield found.get("EndpointConfigName", "")
            yield found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", "")


def _models_of(client: "SageMakerClient", configs: Iterable[str]) -> Iterator[str]:
    for name in filter(None, configs):
        try:
            found = client.describe_endpoint_config(EndpointConfigName=name)
        except ClientError as error:
            if is_missing(error):
                continue
            raise
        variants = [*found["ProductionVariants"], *found.get("ShadowProductionVariants", [])]
        yield from (each.get("ModelName", "") for each in variants)


def _champions_model(registry: Registry, settings: Settings) -> str:
    champion = registry.latest_approved()
    if champion is None:
        return ""
    return names.model(
        settings.prefix,
        champion.version,
        champion.arn,
        champion.created_at,
        network_identity(settings),
    )


def _delete_config(client: "SageMakerClient", name: str) -> bool:
    return _gone(partial(client.delete_endpoint_config, EndpointConfigName=name))


def _delete_model(client: "SageMakerClient", name: str) -> bool:
    return _gone(partial(client.delete_model, ModelName=name))


def _gone(delete: Callable[[], object]) -> bool:
    """Delete; False when another clean-up was faster."""
    try:
        delete()
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return True
