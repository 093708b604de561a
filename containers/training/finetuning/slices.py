"""slices.json: which sets of lines a candidate is evaluated on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetuning.labels import LabelError


class Slice(BaseModel):
    """One set of labelled lines: holdout of a new or an old dataset, or golden.

    `available` is how many there were before these were chosen, 0 when that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1)
    kind: Literal["new", "old", "golden"]
    file: str = Field(pattern=r"^[^/\\]+$")
    lines: int = Field(ge=0)
    available: int = Field(default=0, ge=0)


class Slices(BaseModel):
    """The document."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    slices: tuple[Slice, ...]


def read_slices(directory: Path) -> tuple[Slice, ...]:
    """Read slices.json of the directory. Raises LabelError when it is missing or malformed."""
    path = directory / "slices.json"
    try:
        return Slices.model_validate_json(path.read_bytes()).slices
    except OSError as error:
        raise LabelError(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise LabelError(f"{path.name} is malformed at {where}: {first['msg']}.") from error
