"""One endpoint: its state, and how DescribeEndpoint tells of it."""

from __future__ import annotations

from datetime import datetime

from localcloud.sagemaker_api import Document, Parameters, timestamp, without_nothing
from localcloud.sagemaker_models import StoredRequest
from localcloud.sagemaker_server import Server


class Endpoint:
    """The state of one endpoint.

    ``server`` answers; while a new one is watched, ``standby`` is the old one that may come back.
    ``instances`` is what was asked for since the configuration was made, None for nothing.
    """

    def __init__(self, name: str, arn: str, tags: list[dict[str, str]]) -> None:
        """A new endpoint serves nothing yet."""
        self.name = name
        self.arn = arn
        self.tags = tags
        self.status = "Creating"
        self.creation_time = self.last_modified_time = timestamp()
        self.failure: str | None = None
        self.deployed: StoredRequest | None = None
        self.pending: StoredRequest | None = None
        self.pending_since: datetime | None = None
        self.image: Document = {}
        self.deployment_config: Document | None = None
        self.server: Server | None = None
        self.standby: Server | None = None
        self.instances: int | None = None
        self.restarted = False


def described(endpoint: Endpoint) -> Document:
    """Return the answer of DescribeEndpoint."""
    config = endpoint.deployed or endpoint.pending
    return without_nothing(
        {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": None if config is None else config.name,
            "ProductionVariants": _variants(
                endpoint.deployed, [endpoint.image], endpoint.instances
            ),
            "PendingDeploymentSummary": _pending(endpoint),
            "EndpointStatus": endpoint.status,
            "FailureReason": endpoint.failure,
            "AsyncInferenceConfig": (
                None if config is None else config.request.get("AsyncInferenceConfig")
            ),
            "LastDeploymentConfig": endpoint.deployment_config,
            "CreationTime": endpoint.creation_time,
            "LastModifiedTime": endpoint.last_modified_time,
        }
    )


def _pending(endpoint: Endpoint) -> Document | None:
    if endpoint.pending is None:
        return None
    return {
        "EndpointConfigName": endpoint.pending.name,
        "ProductionVariants": _variants(endpoint.pending, [], endpoint.instances),
        "StartTime": endpoint.pending_since,
    }


def _variants(
    config: StoredRequest | None, images: list[Document], instances: int | None
) -> list[Document] | None:
    if config is None:
        return None
    return [_variant(each, images, instances) for each in config.request["ProductionVariants"]]


def _variant(variant: Parameters, images: list[Document], instances: int | None) -> Document:
    weight = variant.get("InitialVariantWeight", 1.0)
    told = {
        "VariantName": variant["VariantName"],
        "DeployedImages": images,
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }
    if "ServerlessConfig" in variant:
        serverless = variant["ServerlessConfig"]
        told["CurrentServerlessConfig"] = told["DesiredServerlessConfig"] = serverless
        return told
    count = variant.get("InitialInstanceCount", 1) if instances is None else instances
    return {**told, "CurrentInstanceCount": count, "DesiredInstanceCount": count}
