"""Arguments and results of Step Functions tasks against botocore's models of the services.

Step Functions takes and gives the API's member names in PascalCase, whatever the service's own
case; see "Passing information to service API calls" in the Step Functions developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

from localcloud.sagemaker_validation import violations

_SERVICES = {"states": "stepfunctions", "sfn": "stepfunctions"}
# Operations of optimized integrations that have another name than the API's.
_OPERATIONS = {("lambda", "invoke"): "Invoke"}
# Free JSON where the API wants text or bytes.
_FREE = {("lambda", "Payload"), ("stepfunctions", "input")}


class UnknownOperationError(ValueError):
    """Step Functions has no such integration."""


def operation(resource: str) -> OperationModel:
    """Return the API operation behind ``sagemaker:createModel`` or ``aws-sdk:sagemaker:...``."""
    service, name = resource.removeprefix("aws-sdk:").partition(".")[0].split(":")
    wanted = _OPERATIONS.get((service, name), name)
    service = _SERVICES.get(service, service)
    known = _names(service)
    if wanted.lower() not in known:
        raise UnknownOperationError(f"{resource}: {service} has no operation {name}")
    model: OperationModel = _model(service).operation_model(known[wanted.lower()])
    return model


def argument_problems(resource: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return every violation: unknown and missing names, types, enums, lengths, patterns."""
    model = operation(resource)
    shape = model.input_shape
    if shape is None:
        return []
    given = {_api_name(shape, name): value for name, value in arguments.items()}
    service = model.service_model.service_name
    plain = {
        name: "{}" if (service, name) in _FREE and not isinstance(value, str) else value
        for name, value in given.items()
    }
    report = ParamValidator().validate(plain, shape)
    found = [each for each in report.generate_report().splitlines() if each]
    return [*found, *_case_problems(shape, arguments), *violations(shape, plain)]


def name_problems(resource: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the names alone: of arguments that are still expressions."""
    shape = operation(resource).input_shape
    if shape is None:
        return []
    missing = [
        f"{name} is required"
        for name in shape.required_members
        if name not in {_api_name(shape, given) for given in arguments}
    ]
    return [*missing, *_unknown(shape, arguments, "")]


def result_members(resource: str) -> Shape | None:
    """Return the shape of what a task gives: the last call's, where it waits for a job."""
    model = operation(resource)
    if ".sync" in resource:
        verb = f"Describe{model.name.removeprefix('Create').removeprefix('Start')}"
        return model.service_model.operation_model(verb).output_shape
    return model.output_shape


def has_member(shape: Shape | None, path: list[str]) -> bool:
    """Whether a field such as ``["ModelArtifacts", "S3ModelArtifacts"]`` exists in a result."""
    for name in path:
        if isinstance(shape, StructureShape):
            named = {_pascal(member): each for member, each in shape.members.items()}
            if name not in named:
                return False
            shape = named[name]
        elif isinstance(shape, MapShape):
            shape = shape.value
        else:
            return False
    return True


def longest_hyperparameter() -> int:
    """Return how many characters SageMaker takes as the value of a hyperparameter."""
    return int(_model("sagemaker").shape_for("HyperParameterValue").metadata["max"])


def error_names(service: str) -> set[str]:
    """Return what Step Functions calls the errors of a service: ``ResourceInUseException``..."""
    model = _model(_SERVICES.get(service, service))
    names = {shape.name for shape in model.error_shapes}
    return {f"{name.removesuffix('Exception')}Exception" for name in names}


def _unknown(shape: Shape, value: object, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, item in value.items():
            member = shape.members.get(_api_name(shape, name))
            if member is None:
                found.append(f"{path}{name} is not an argument of it")
            else:
                found += _unknown(member, item, f"{path}{name}.")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            found += _unknown(shape.member, item, path)
    return found + (_case_problems(shape, value) if not path else [])


def _case_problems(shape: Shape, value: object) -> list[str]:
    if not isinstance(value, Mapping) or not isinstance(shape, StructureShape):
        return []
    return [f"{name} must begin with a capital" for name in value if name[:1].islower()]


def _api_name(shape: Shape, name: str) -> str:
    members = shape.members if isinstance(shape, StructureShape) else {}
    lowered = name[:1].lower() + name[1:]
    return lowered if name not in members and lowered in members else name


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


@cache
def _model(service: str) -> Any:  # noqa: ANN401 - botocore's models are untyped
    return botocore.session.get_session().get_service_model(service)


@cache
def _names(service: str) -> dict[str, str]:
    return {name.lower(): name for name in _model(service).operation_names}
