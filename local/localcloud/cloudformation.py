"""Repair: CloudFormation creates what a template says, or says what it cannot.

moto skips resource types it does not know and properties it does not read, and still calls the
stack complete. Here every supported type is created through the same public API a user would call,
every property is accounted for, and anything unknown fails the stack by name. Stacks live as long
as the local cloud: updating or deleting one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.untyped import Client, Json, Moto

_TRUE = {"true": True, "false": False}


class ResourceError(ValueError):
    """A resource asks for something that the local cloud cannot create."""


@dataclass(frozen=True)
class Created:
    """A resource as the rest of the template sees it: Ref and GetAtt."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """One resource to create; ``generated_name`` is for those without a name of their own."""

    logical_id: str
    generated_name: str
    properties: Mapping[str, Json]
    clients: Clients
    context: CloudContext

    def client(self, service: str) -> Client:
        """Return the boto3 client of a service."""
        return self.clients.get(service)

    def call(self, service: str, action: str, **arguments: Json) -> dict[str, Any]:
        """Call an API with CloudFormation's loose types made into the API's own."""
        client = self.client(service)
        shape = client.meta.service_model.operation_model(action).input_shape
        answer = getattr(client, xform_name(action))(**coerce(arguments, shape))
        return dict(answer)


@dataclass(frozen=True)
class ResourceType:
    """A resource type: the properties that ``create`` understands, all others are refused."""

    name: str
    properties: frozenset[str]
    create: Callable[[Order], Created]


def install(context: CloudContext, types: Mapping[str, ResourceType]) -> None:
    """Let moto's CloudFormation create resources of these types and no others."""
    clients = Clients.of(context)
    models = {name: _model(kind, clients, context) for name, kind in types.items()}

    def class_from_type(resource_type: str) -> Moto:
        if resource_type not in models:
            raise ValidationError(
                message=f"The local cloud cannot create resources of type {resource_type}."
            )
        return models[resource_type]

    parsing.resource_class_from_type = class_from_type
    parsing.resource_name_property_from_type = lambda resource_type: None


def coerce(value: Json, shape: Shape | None) -> Json:
    """Return ``value`` with texts, numbers and booleans converted to what ``shape`` asks for."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {name: coerce(item, shape.members.get(name)) for name, item in value.items()}
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {str(name): coerce(item, shape.value) for name, item in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [coerce(item, shape.member) for item in value if item is not None]
    return value if shape is None else _coerce_scalar(value, shape.type_name)


def _coerce_scalar(value: Json, kind: str) -> Json:
    if kind == "string":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean" and isinstance(value, str):
        return _TRUE.get(value.lower(), value)
    if kind in ("integer", "long") and isinstance(value, str):
        return int(value)
    if kind in ("double", "float") and isinstance(value, str):
        return float(value)
    return value


class _Resource:
    """What moto keeps of a created resource."""

    def __init__(self, created: Created) -> None:
        self.physical_resource_id = created.physical_id
        self._attributes = created.attributes

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        if name not in self._attributes:
            raise ValidationError(
                message=f"{self.physical_resource_id} has no attribute {name} in the local cloud."
            )
        return self._attributes[name]


def _model(kind: ResourceType, clients: Clients, context: CloudContext) -> type[_Resource]:
    def create(
        resource_name: str,
        cloudformation_json: Mapping[str, Any],
        account_id: str,
        region_name: str,
        **names: str,
    ) -> _Resource:
        del account_id, region_name
        logical_id = names["LogicalId"]
        properties = cloudformation_json.get("Properties") or {}
        order = Order(logical_id, resource_name, properties, clients, context)
        try:
            _require_known(kind, properties)
            return _Resource(kind.create(order))
        except (ClientError, ParamValidationError, ValueError, KeyError) as error:
            raise ValidationError(
                message=f"{logical_id} ({kind.name}) could not be created: {_why(error)}"
            ) from error

    def refuse(*_: object, **__: object) -> None:
        raise ValidationError(
            message="The local cloud neither updates nor deletes a stack: start it anew."
        )

    methods = {
        "has_cfn_attr": staticmethod(lambda name: True),
        "create_from_cloudformation_json": staticmethod(create),
        "update_from_cloudformation_json": staticmethod(refuse),
        "delete_from_cloudformation_json": staticmethod(refuse),
    }
    return type(kind.name.replace("::", ""), (_Resource,), methods)


def _require_known(kind: ResourceType, properties: Mapping[str, Json]) -> None:
    unknown = sorted(set(properties) - kind.properties)
    if unknown:
        raise ResourceError(f"the local cloud does not know its {', '.join(unknown)}.")


def _why(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Message"])
    if isinstance(error, KeyError):
        return f"it lacks {error}."
    return str(error)
