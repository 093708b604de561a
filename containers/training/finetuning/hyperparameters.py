"""The training job's hyperparameters, validated: SageMaker passes every value as a string."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from finetuning.recipes import TUNABLE, Auto, check_overrides, recipe_names


class HyperparameterError(ValueError):
    """A hyperparameter is wrong; the message is one sentence."""


def _json_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError('expected a JSON list such as ["name"]') from error


# The field that holds what is gathered of the recipe's numbers; nobody can give it.
_GATHERED = "overrides"

_Names = Annotated[tuple[str, ...], BeforeValidator(_json_list)]


class Hyperparameters(BaseModel):
    """What a training job can be told; `overrides` are numbers of the recipe.

    `remove_characters` is the only way in which a dictionary ever shrinks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str = Field(min_length=1, max_length=63)
    parent_package_arn: str = ""
    dataset_ids: _Names = ()
    recipe: str = "auto"
    seed: int = Field(default=1, ge=0, lt=2**31)
    max_minutes: Auto[Annotated[float, Field(gt=0)]] = None
    remove_characters: _Names = ()
    processes_per_host: Auto[Annotated[int, Field(ge=1, le=64)]] = None
    overrides: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Hyperparameters:
        """Read what SageMaker gives. Raises pydantic's ValidationError."""
        overrides = {name: value for name, value in content.items() if name in TUNABLE}
        check_overrides(overrides)
        own = {name: value for name, value in content.items() if name not in TUNABLE}
        return cls.model_validate({**own, "overrides": overrides})

    @field_validator("recipe")
    @classmethod
    def _known(cls, name: str) -> str:
        known = ("auto", *recipe_names())
        if name not in known:
            raise ValueError(f"known are {', '.join(known)}")
        return name


def read_hyperparameters(path: Path) -> Hyperparameters:
    """Read hyperparameters.json. Raises HyperparameterError naming the first that is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HyperparameterError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise HyperparameterError(f"{path.name} is not JSON.") from error
    if not isinstance(content, dict):
        raise HyperparameterError(f"{path.name} is not a JSON object of hyperparameters.")
    try:
        if _GATHERED in content:
            raise HyperparameterError(_unknown(_GATHERED))
        return Hyperparameters.parse(content)
    except ValidationError as error:
        raise HyperparameterError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "extra_forbidden":
        return _unknown(name)
    if first["type"] == "missing":
        return f"Hyperparameter {name!r} is missing; it is required."
    reason = first["msg"].removeprefix("Value error, ")
    return f"Hyperparameter {name!r} is {str(first['input'])!r}: {reason}."


def _unknown(name: str) -> str:
    own = [field for field in Hyperparameters.model_fields if field != _GATHERED]
    return f"Unknown hyperparameter {name!r}; known are {', '.join((*own, *TUNABLE))}."
