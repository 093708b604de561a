"""Makes this process's moto run SageMaker jobs and endpoints for real."""

from __future__ import annotations

from collections.abc import Callable

from moto.cloudformation.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, Model

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.sagemaker_api import refuse_what_moto_pretends, serve
from localcloud.sagemaker_capture import Capture
from localcloud.sagemaker_endpoint_configs import EndpointConfigs
from localcloud.sagemaker_endpoints import Endpoints
from localcloud.sagemaker_events import StateChanges
from localcloud.sagemaker_models import Models
from localcloud.sagemaker_processing import ProcessingJobs
from localcloud.sagemaker_registry import ModelRegistry
from localcloud.sagemaker_runtime import Runtime
from localcloud.sagemaker_tags import Tags
from localcloud.sagemaker_training import TrainingJobs
from localcloud.sagemaker_transfer import Transfer
from localcloud.sagemaker_transform import TransformJobs


def install(context: CloudContext) -> Callable[[], None]:
    """Answer the SageMaker API of ``context`` from now on, starting with nothing in it.

    Every process it starts goes through ``localcloud.processes``: ``terminate_all`` ends them. The
    returned function, to be called before that, keeps dead servers from being started again; a
    cloud whose process ends anyway need not call it.
    """
    events = StateChanges(context)
    clients = Clients.of(context)
    registry = ModelRegistry(context, events)
    models = Models(context, registry)
    configs = EndpointConfigs(context, models)
    endpoints = Endpoints(context, clients, configs, models, events)
    training = TrainingJobs(context, clients, events)
    processing = ProcessingJobs(context, clients, events)
    transform = TransformJobs(context, clients, events, models)
    parts = (registry, models, configs, endpoints, training, processing, transform)
    for part in parts:
        serve(part.operations())
    serve(Tags([part.resources for part in parts]).operations())
    refuse_what_moto_pretends()
    _refuse_in_templates()
    transfer = Transfer(context, clients, "endpoint")
    Runtime(context, endpoints, Capture(clients), transfer).install()
    return endpoints.close


def _refuse_in_templates() -> None:
    """CloudFormation would create moto's own objects, which serve nothing."""

    for resource in (Model, FakeEndpointConfig, FakeEndpoint):
        resource.create_from_cloudformation_json = _refusal(resource.cloudformation_type())


def _refusal(kind: str) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        message = f"The local cloud does not create {kind} from a template."
        raise ValidationError(message=message)

    return refuse
