"""Recipes: which part of the network is trained, for how long and how hard.

A recipe is a small YAML file; every number of it can be overridden by a hyperparameter, and the
one that a job ended up with is kept in its artefact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from finetuning.families.family import Depth

_DIRECTORY = Path(__file__).resolve().parent.parent / "recipes"

# Lines are shown in about so many views in all; more add nothing that the others do not have.
_VIEWED_LINES = 2000
_LEAST_VIEWS = 2


class RecipeError(ValueError):
    """A recipe does not exist or does not hold together; the message is one sentence."""


def _automatic(value: object) -> object:
    return None if value in ("auto", "") else value


_Value = TypeVar("_Value")
Auto = Annotated[_Value | None, BeforeValidator(_automatic)]
"""A value that the job decides from its data when it is None; written `auto`."""


class Recipe(BaseModel):
    """How a job trains. Shares and factors are fractions; rates are AdamW's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    depth: Depth
    fresh: bool = Field(default=False, description="start from random weights")
    learning_rate: float = Field(gt=0, le=0.1, description="peak of a cosine schedule")
    warmup: float = Field(default=0.0, ge=0, lt=1, description="share of the steps spent rising")
    backbone_rate: float = Field(
        default=0.3, gt=0, le=1, description="the backbone's share of the learning rate"
    )
    new_character_rate: float = Field(
        default=4.0, gt=0, le=100, description="factor on the rate of characters just added"
    )
    weight_decay: float = Field(default=1e-4, ge=0, le=1)
    gradient_clip: float = Field(default=5.0, gt=0, description="largest norm of all gradients")
    batch_size: int = Field(default=32, ge=1, le=1024, description="lines per step")
    batch_statistics: bool = Field(
        default=False, description="batch normalisation learns new statistics"
    )
    epochs: Auto[Annotated[int, Field(ge=1, le=1000)]] = Field(
        default=None, description="passes over the new lines"
    )
    presentations: int = Field(
        default=3000, ge=1, description="how often new lines are shown in all, where epochs is auto"
    )
    presentations_per_character: int = Field(
        default=50, ge=0, description="so many more for each added character"
    )
    least_epochs: int = Field(default=2, ge=1, le=1000)
    most_epochs: int = Field(default=12, ge=1, le=1000)
    patience: int = Field(
        default=8, ge=1, le=1000, description="epochs without gain before training stops"
    )
    augment: bool = Field(default=True, description="show new lines in distorted views")
    views: Auto[Annotated[int, Field(ge=1, le=64)]] = Field(
        default=None, description="stored views of a new line"
    )
    most_views: int = Field(default=8, ge=1, le=64)
    replay_ratio: float = Field(
        default=0.7, gt=0, le=1, description="share of new lines in the mix"
    )
    generic_lines: Auto[Annotated[int, Field(ge=0, le=100_000)]] = Field(
        default=None, description="rendered lines"
    )
    distillation: float = Field(
        default=0.0, ge=0, le=100, description="weight of the champion's opinion on old lines"
    )
    distillation_new: float = Field(default=0.0, ge=0, le=100, description="the same on new lines")
    l2_sp: float = Field(
        default=0.0, ge=0, le=10, description="pull of the weights towards the champion's"
    )
    blend: bool = Field(default=True, description="interpolate with the champion at the end")
    head_outputs: Auto[Annotated[int, Field(ge=0)]] = Field(
        default=None,
        description="rival outputs beside those in use that the head is trained on; 0 for all",
    )
    character_presentations: int = Field(
        default=150, ge=0, description="how often each added character is shown at least"
    )
    practice_lines: Auto[Annotated[int, Field(ge=0, le=100_000)]] = Field(
        default=None, description="rendered lines of added characters"
    )

    def completed(self, new_lines: int, practice_lines: int = 0, added: int = 0) -> Recipe:
        """Return the recipe with what it leaves open about so many lines decided.

        `practice_lines` are rendered ones of the `added` characters.
        """
        wanted = self.presentations + added * self.presentations_per_character
        shows = math.ceil(wanted / max(1, new_lines + practice_lines))
        epochs = self.epochs or min(self.most_epochs, max(self.least_epochs, shows))
        views = math.ceil(_VIEWED_LINES / max(1, new_lines))
        views = self.views or min(epochs, self.most_views, max(_LEAST_VIEWS, views))
        return self.model_copy(update={"epochs": epochs, "views": views if self.augment else 1})

    def as_yaml(self) -> str:
        """Return the text of a recipe file."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


TUNABLE = tuple(name for name in Recipe.model_fields if name not in ("name", "depth", "fresh"))
"""What hyperparameters may override."""


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that the image carries."""
    return tuple(sorted(path.stem for path in _DIRECTORY.glob("*.yml")))


def read_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe of the image and apply overrides.

    Raises RecipeError when there is none of that name, or pydantic's ValidationError when an
    override is wrong.
    """
    if name not in recipe_names():
        known = ", ".join(recipe_names())
        raise RecipeError(f"There is no recipe {name!r}; known are auto, {known}.")
    content = yaml.safe_load((_DIRECTORY / f"{name}.yml").read_text(encoding="utf-8"))
    return Recipe.model_validate({**content, **(overrides or {})})


def check_overrides(overrides: Mapping[str, Any]) -> None:
    """Raise pydantic's ValidationError when a hyperparameter has no valid value in any recipe."""
    Recipe.model_validate({**read_recipe("head").model_dump(), **overrides})
