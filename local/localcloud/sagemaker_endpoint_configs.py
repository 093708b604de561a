"""Endpoint configurations.

moto drops half of what a configuration says and takes the same name twice. AWS lets one be deleted
while an endpoint uses it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from localcloud.context import CloudContext
from localcloud.sagemaker_api import Document, Operation, Parameters, timestamp
from localcloud.sagemaker_errors import RequestInvalidError
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_models import Models, StoredRequest
from localcloud.sagemaker_names import ArnMaker
from localcloud.sagemaker_validation import kept_members


class EndpointConfigs:
    """All endpoint configurations of this cloud."""

    def __init__(self, context: CloudContext, models: Models) -> None:
        """Start empty; configurations refer to ``models``."""
        self._models = models
        self._arns = ArnMaker.of(context)
        self._configs: dict[str, StoredRequest] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "ListEndpointConfigs": self.list_configs,
            "DeleteEndpointConfig": self.delete,
        }

    def resources(self) -> Iterator[StoredRequest]:
        """Return everything that can be tagged."""
        return iter(list(self._configs.values()))

    def create(self, request: Parameters) -> Document:
        """Keep a configuration; raises RequestInvalidError for missing models and bad variants."""
        name = request["EndpointConfigName"]
        arn = self._arns.make("endpoint-config", name)
        for reason in _unsupported(request):
            raise RequestInvalidError(f"The local cloud does not support {reason}.")
        for variant in request["ProductionVariants"]:
            self._models.find(variant["ModelName"])
        with self._lock:
            if name in self._configs:
                raise RequestInvalidError(
                    f'Cannot create already existing endpoint configuration "{arn}".'
                )
            self._configs[name] = StoredRequest(
                name, arn, request, list(request.get("Tags", [])), timestamp()
            )
        return {"EndpointConfigArn": arn}

    def describe(self, request: Parameters) -> Document:
        """Return a configuration; raises RequestInvalidError when there is none."""
        config = self.find(request["EndpointConfigName"])
        variants = [
            {"InitialVariantWeight": 1.0, **variant}
            for variant in config.request["ProductionVariants"]
        ]
        return {
            "EnableNetworkIsolation": False,
            **kept_members("DescribeEndpointConfig", config.request),
            "ProductionVariants": variants,
            "EndpointConfigArn": config.arn,
            "CreationTime": config.creation_time,
        }

    def list_configs(self, request: Parameters) -> Document:
        """Return a page of configurations."""
        page, token = list_page(self._configs.values(), request, newest_first=True)
        configs = [
            {
                "EndpointConfigName": config.name,
                "EndpointConfigArn": config.arn,
                "CreationTime": config.creation_time,
            }
            for config in page
        ]
        return {"EndpointConfigs": configs, "NextToken": token}

    def delete(self, request: Parameters) -> None:
        """Forget a configuration; endpoints that use it go on."""
        with self._lock:
            del self._configs[self.find(request["EndpointConfigName"]).name]

    def find(self, name: str) -> StoredRequest:
        """Return a configuration; raises RequestInvalidError when there is none."""
        config = self._configs.get(name)
        if config is None:
            arn = self._arns.make("endpoint-config", name)
            raise RequestInvalidError(f'Could not find endpoint configuration "{arn}".')
        return config


def _unsupported(request: Parameters) -> Iterator[str]:
    if request.get("ShadowProductionVariants"):
        yield "shadow variants"
    if "ExplainerConfig" in request:
        yield "explainers"
    if len(request["ProductionVariants"]) != 1:
        yield "more than one production variant"
    for variant in request["ProductionVariants"]:
        if "ModelName" not in variant:
            yield "inference components"
