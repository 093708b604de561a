"""Request validation from AWS's own service model.

moto checks next to nothing: names of 80 characters, unknown enum values and missing members all
pass, and fail only on AWS. AWS checks every member against its service model and reports all
violations in one ``ValidationException``; botocore ships that model, so we do the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from localcloud.sagemaker_errors import RequestInvalidError


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of the SageMaker API."""
    return botocore.session.get_session().get_service_model("sagemaker")


def check_parameters(operation: str, parameters: Mapping[str, Any]) -> None:
    """Raise RequestInvalidError, worded as AWS does, when ``parameters`` violate the model."""
    shape = service_model().operation_model(operation).input_shape
    found = [] if shape is None else violations(shape, parameters)
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise RequestInvalidError(count + "; ".join(found))


def violations(shape: Shape, value: object) -> list[str]:
    """Return every way in which ``value`` breaks the constraints of ``shape``, as AWS words it."""
    return list(_violations(shape, value, ""))


def _violations(shape: Shape, value: object, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        yield from _structure_violations(shape, value, path)
    elif isinstance(shape, ListShape) and isinstance(value, Sequence):
        yield from _size_violations(shape, len(value), path, "length")
        for position, item in enumerate(value, start=1):
            yield from _violations(shape.member, item, f"{path}.{position}.member")
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        yield from _size_violations(shape, len(value), path, "length")
        for key, item in value.items():
            yield from _violations(shape.value, item, f"{path}.{key}.member")
    elif isinstance(value, str):
        yield from _text_violations(shape, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _size_violations(shape, value, path, "value")


def _structure_violations(
    shape: StructureShape, value: Mapping[str, Any], path: str
) -> Iterator[str]:
    for name, member in shape.members.items():
        member_path = f"{path}.{_lower_first(name)}" if path else _lower_first(name)
        if value.get(name) is not None:
            yield from _violations(member, value[name], member_path)
        elif name in shape.required_members:
            yield _violation(None, member_path, "Member must not be null")


def _text_violations(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _size_violations(shape, len(value), path, "length", shown=value)
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _violation(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    compiled = _compiled(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(value):
        yield _violation(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _size_violations(
    shape: Shape, size: float, path: str, measure: str, shown: str | None = None
) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    text = str(size) if shown is None else shown
    if minimum is not None and size < minimum:
        yield _violation(
            text, path, f"Member must have {measure} greater than or equal to {minimum}"
        )
    if maximum is not None and size > maximum:
        yield _violation(text, path, f"Member must have {measure} less than or equal to {maximum}")


def _violation(value: str | None, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        # Java's \p{...} classes; they only exclude control characters from free text.
        return None


def _lower_first(name: str) -> str:
    return name[0].lower() + name[1:]


@cache
def output_members(operation: str) -> frozenset[str]:
    """Return the names of the members that ``operation`` answers with."""
    shape = service_model().operation_model(operation).output_shape
    return frozenset() if shape is None else frozenset(shape.members)


def kept_members(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a Create request that the Describe ``operation`` repeats."""
    return {name: value for name, value in request.items() if name in output_members(operation)}
