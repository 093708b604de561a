"""Reading template.yaml: what it builds and which parameters it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

_FUNCTION = "AWS::Serverless::Function"


class TemplateError(ValueError):
    """The template cannot be read or is not what the local cloud can deploy."""


class ParameterError(ValueError):
    """A parameter is unknown, missing, or breaks the template's constraint."""


@dataclass(frozen=True)
class FunctionSource:
    """What SAM builds a function from; equal sources give equal artefacts."""

    code_uri: str
    runtime: str
    architecture: str


def read_template(file: Path) -> dict[str, Any]:
    """Return the template with intrinsic functions in long form; raises TemplateError."""
    try:
        template = yaml_parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TemplateError(f"{file} is missing.") from None
    except yaml.YAMLError as error:
        raise TemplateError(f"{file} is not YAML: {error}") from error
    if not isinstance(template, dict) or "Resources" not in template:
        raise TemplateError(f"{file} has no Resources.")
    return template


def function_sources(template: Mapping[str, Any]) -> dict[str, FunctionSource]:
    """Return logical id -> source for each function, with Globals applied."""
    defaults = template.get("Globals", {}).get("Function", {})
    sources = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] != _FUNCTION:
            continue
        properties = {**defaults, **resource.get("Properties", {})}
        sources[logical_id] = FunctionSource(
            code_uri=str(properties["CodeUri"]),
            runtime=str(properties["Runtime"]),
            architecture=str(properties.get("Architectures", ["x86_64"])[0]),
        )
    return sources


def resolve_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return every parameter's value as text: ``given`` ones, then defaults.

    Raises ParameterError for unknown names, missing values and values that CloudFormation would
    refuse.
    """
    declared = template.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ParameterError(f"template.yaml has no parameter {', '.join(unknown)}.")
    values = {}
    for name, declaration in declared.items():
        value = given.get(name, declaration.get("Default"))
        if value is None:
            raise ParameterError(f"The parameter {name} has no value: give --parameter {name}=...")
        values[name] = str(value)
        _check(name, values[name], declaration)
    return values


def _check(name: str, value: str, declaration: Mapping[str, Any]) -> None:
    allowed = declaration.get("AllowedValues")
    pattern = declaration.get("AllowedPattern")
    is_valid = (
        (allowed is None or value in [str(item) for item in allowed])
        and (pattern is None or re.search(pattern, value) is not None)
        and _is_length_allowed(value, declaration)
        and (declaration.get("Type") != "Number" or _is_number_allowed(value, declaration))
    )
    if not is_valid:
        why = declaration.get("ConstraintDescription") or f"allowed are {allowed}"
        raise ParameterError(f"The parameter {name} cannot be `{value}`: {why}")


def _is_length_allowed(value: str, declaration: Mapping[str, Any]) -> bool:
    shortest = int(declaration.get("MinLength", 0))
    longest = int(declaration.get("MaxLength", len(value)))
    return shortest <= len(value) <= longest


def _is_number_allowed(value: str, declaration: Mapping[str, Any]) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    least = float(declaration.get("MinValue", number))
    most = float(declaration.get("MaxValue", number))
    return least <= number <= most
