"""Models.

moto keeps them but drops ``EnableNetworkIsolation``, takes the same name twice, and checks neither
image nor model data. AWS checks both in CreateModel, and lets a model be deleted while an endpoint
serves it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.context import CloudContext
from localcloud.sagemaker_api import Document, Operation, Parameters, timestamp
from localcloud.sagemaker_errors import JobInputError, RequestInvalidError
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_names import ArnMaker
from localcloud.sagemaker_registry import ModelRegistry
from localcloud.sagemaker_storage import ObjectReader, S3Location
from localcloud.sagemaker_validation import kept_members


@dataclass
class StoredRequest:
    """A model or endpoint configuration: what its Create request said."""

    name: str
    arn: str
    request: Parameters
    tags: list[dict[str, str]]
    creation_time: datetime

    @property
    def last_modified_time(self) -> datetime:
        """Neither models nor configurations ever change."""
        return self.creation_time

    @property
    def status(self) -> str:
        """Neither models nor configurations have one."""
        return ""


@dataclass(frozen=True)
class ServedContainer:
    """What an endpoint needs to know to serve a model."""

    image: str
    model_data_url: str | None
    environment: Mapping[str, str]
    isolated: bool


class Models:
    """All models of this cloud."""

    def __init__(self, context: CloudContext, registry: ModelRegistry) -> None:
        """Start empty; ``registry`` resolves containers that name a model package."""
        self._context = context
        self._registry = registry
        self._arns = ArnMaker.of(context)
        self._reader = ObjectReader(context)
        self._models: dict[str, StoredRequest] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "ListModels": self.list_models,
            "DeleteModel": self.delete,
        }

    def resources(self) -> Iterator[StoredRequest]:
        """Return everything that can be tagged."""
        return iter(list(self._models.values()))

    def create(self, request: Parameters) -> Document:
        """Keep a model; raises RequestInvalidError when it could never be served."""
        name = request["ModelName"]
        arn = self._arns.make("model", name)
        for served in self._resolve(request):
            self._check(served, request)
        with self._lock:
            if name in self._models:
                raise RequestInvalidError(f'Cannot create already existing model "{arn}".')
            self._models[name] = StoredRequest(
                name, arn, request, list(request.get("Tags", [])), timestamp()
            )
        return {"ModelArn": arn}

    def describe(self, request: Parameters) -> Document:
        """Return a model; raises RequestInvalidError when there is none."""
        model = self.find(request["ModelName"])
        return {
            "EnableNetworkIsolation": False,
            **kept_members("DescribeModel", model.request),
            "ModelArn": model.arn,
            "CreationTime": model.creation_time,
        }

    def list_models(self, request: Parameters) -> Document:
        """Return a page of models."""
        page, token = list_page(self._models.values(), request, newest_first=True)
        models = [
            {
                "ModelName": model.name,
                "ModelArn": model.arn,
                "CreationTime": model.creation_time,
            }
            for model in page
        ]
        return {"Models": models, "NextToken": token}

    def delete(self, request: Parameters) -> None:
        """Forget a model; endpoints that serve it go on."""
        with self._lock:
            del self._models[self.find(request["ModelName"]).name]

    def find(self, name: str) -> StoredRequest:
        """Return a model; raises RequestInvalidError when there is none."""
        model = self._models.get(name)
        if model is None:
            arn = self._arns.make("model", name)
            raise RequestInvalidError(f'Could not find model "{arn}".')
        return model

    def served_container(self, name: str) -> ServedContainer:
        """Return what serving the model takes; raises RequestInvalidError when it is gone."""
        return self._resolve(self.find(name).request)[0]

    def _resolve(self, request: Parameters) -> Sequence[ServedContainer]:
        containers = request.get("Containers") or [request.get("PrimaryContainer")]
        if containers == [None]:
            raise RequestInvalidError("Either PrimaryContainer or Containers must be specified.")
        if len(containers) > 1:
            raise RequestInvalidError("The local cloud does not support inference pipelines.")
        if containers[0].get("Mode", "SingleModel") != "SingleModel":
            raise RequestInvalidError("The local cloud does not support multi-model containers.")
        container = self._with_package(containers[0])
        if "ModelDataSource" in container or "Image" not in container:
            raise RequestInvalidError(
                "The local cloud serves containers with an Image and a ModelDataUrl only."
            )
        return [
            ServedContainer(
                container["Image"],
                container.get("ModelDataUrl"),
                container.get("Environment", {}),
                request.get("EnableNetworkIsolation", False),
            )
        ]

    def _with_package(self, container: Mapping[str, Any]) -> Document:
        package = container.get("ModelPackageName")
        if package is None:
            return dict(container)
        packaged = self._registry.first_container(package)
        environment = {**packaged.get("Environment", {}), **container.get("Environment", {})}
        return {**packaged, "Environment": environment}

    def _check(self, served: ServedContainer, request: Parameters) -> None:
        if served.image not in self._context.images:
            raise RequestInvalidError(
                f'Role "{request.get("ExecutionRoleArn", "")}" cannot pull {served.image}: no '
                "local runtime stands in for this image; name it in the local cloud's image list."
            )
        if served.model_data_url is None:
            return
        try:
            found = self._reader.exists(S3Location.parse(served.model_data_url))
        except JobInputError as error:
            raise RequestInvalidError(str(error)) from error
        if not found:
            raise RequestInvalidError(f"Could not find model data at {served.model_data_url}.")
