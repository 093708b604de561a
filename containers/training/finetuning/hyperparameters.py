"""The training job's hyperparameters, validated: SageMaker passes every value as a string."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


class HyperparameterError(ValueError):
    """A hyperparameter is wrong; the message is one sentence."""


def _json_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError('expected a JSON list such as ["name"]') from error


def _automatic(value: object) -> object:
    return None if value in ("auto", "") else value


_Value = TypeVar("_Value")
_Auto = Annotated[_Value | None, BeforeValidator(_automatic)]


class Hyperparameters(BaseModel):
    """What a training job can be told; None means that the job decides from its data.

    replay_ratio is the share of new lines in the mix, learning_rate the peak of a cosine schedule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str = Field(min_length=1, max_length=63)
    parent_package_arn: str = ""
    dataset_ids: Annotated[tuple[str, ...], BeforeValidator(_json_list)] = ()
    recipe: Literal["auto", "head", "full"] = "auto"
    learning_rate: _Auto[Annotated[float, Field(gt=0, le=0.1)]] = None
    epochs: _Auto[Annotated[int, Field(ge=1, le=1000)]] = None
    batch_size: int = Field(default=32, ge=1, le=1024)
    replay_ratio: float = Field(default=0.7, gt=0, le=1)
    generic_lines: _Auto[Annotated[int, Field(ge=0, le=100_000)]] = None
    seed: int = Field(default=1, ge=0, lt=2**31)
    max_minutes: _Auto[Annotated[float, Field(gt=0)]] = None


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
        return Hyperparameters.model_validate(content)
    except ValidationError as error:
        raise HyperparameterError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "extra_forbidden":
        known = ", ".join(Hyperparameters.model_fields)
        return f"Unknown hyperparameter {name!r}; known are {known}."
    if first["type"] == "missing":
        return f"Hyperparameter {name!r} is missing; it is required."
    reason = first["msg"].removeprefix("Value error, ")
    return f"Hyperparameter {name!r} is {str(first['input'])!r}: {reason}."
