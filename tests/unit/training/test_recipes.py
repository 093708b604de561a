"""Recipes: files of the image, and what the job decides when nobody tells it."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from finetuning.choice import choose_recipe, generic_lines_wanted, replay_lines_wanted
from finetuning.device import Device
from finetuning.families import Depth, family_of
from finetuning.hyperparameters import HyperparameterError, Hyperparameters
from finetuning.networks import PP_OCRV4_ARCHITECTURE, build_network
from finetuning.recipes import Recipe, RecipeError, read_recipe, recipe_names
from finetuning.tiny import TINY_ARCHITECTURE

CPU, GPU = Device("cpu"), Device("gpu")
AUTO = Hyperparameters(run_id="run-1")
MOBILE, TINY = family_of(PP_OCRV4_ARCHITECTURE), family_of(TINY_ARCHITECTURE)


@pytest.fixture(scope="module")
def mobile() -> Any:
    return build_network(PP_OCRV4_ARCHITECTURE, 6625)


@pytest.fixture(scope="module")
def tiny() -> Any:
    return build_network(TINY_ARCHITECTURE, 16)


class HeadOnly:
    """A family whose backbone cannot be trained."""

    name = "frozen"
    depths = frozenset({Depth.HEAD})


def test_every_recipe_file_is_complete_and_named_as_its_file() -> None:
    assert recipe_names() == ("full", "head", "partial", "scratch", "small")
    for name in recipe_names():
        assert read_recipe(name).name == name


def test_incremental_recipes_learn_slower_and_shorter_than_from_scratch() -> None:
    scratch = read_recipe("scratch")
    assert scratch.fresh
    assert scratch.warmup > 0
    for name in ("head", "partial", "full"):
        recipe = read_recipe(name)
        assert recipe.learning_rate <= scratch.learning_rate / 5
        assert recipe.most_epochs < scratch.least_epochs
        assert (recipe.warmup, recipe.replay_ratio, recipe.fresh) == (0.0, 0.7, False)


def test_a_recipe_survives_its_own_file() -> None:
    recipe = read_recipe("partial").completed(300)

    assert Recipe.model_validate(yaml.safe_load(recipe.as_yaml())) == recipe


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(RecipeError, match="There is no recipe 'best'; known are auto, full, head"):
        read_recipe("best")
    with pytest.raises(ValidationError):
        read_recipe("head", {"learning_rate": "fast"})


@pytest.mark.parametrize(("lines", "name"), [(300, "partial"), (30_000, "head")])
def test_on_a_cpu_without_a_budget_the_backbone_learns_as_long_as_lines_are_few(
    mobile: Any, monkeypatch: pytest.MonkeyPatch, lines: int, name: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    choice = choose_recipe(AUTO, MOBILE, mobile, CPU, lines)

    assert choice.recipe.name == name
    assert "of 15 on this CPU" in choice.why


@pytest.mark.parametrize(
    ("minutes", "lines", "name"),
    [(2, 300, "head"), (5, 300, "partial"), (10, 300, "full"), (30, 30_000, "head")],
)
def test_on_a_cpu_the_time_allowed_and_the_number_of_lines_decide_how_much_is_trained(
    mobile: Any, monkeypatch: pytest.MonkeyPatch, minutes: float, lines: int, name: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    wanted = Hyperparameters(run_id="run-1", max_minutes=minutes)

    choice = choose_recipe(wanted, MOBILE, mobile, CPU, lines)

    assert choice.recipe.name == name
    assert f"{lines} lines take about" in choice.why
    assert f"of {minutes} on this CPU" in choice.why


def test_a_gpu_trains_everything_and_small_networks_take_larger_steps(
    mobile: Any, tiny: Any
) -> None:
    assert choose_recipe(AUTO, MOBILE, mobile, GPU, 1000).recipe.name == "full"
    small = choose_recipe(AUTO, TINY, tiny, CPU, 1000).recipe
    assert (small.name, small.depth) == ("small", "full")
    assert small.learning_rate > read_recipe("full").learning_rate


def test_what_cannot_be_trained_is_not_tried(mobile: Any) -> None:
    family: Any = HeadOnly()
    assert choose_recipe(AUTO, family, mobile, GPU, 1000).recipe.name == "head"
    with pytest.raises(HyperparameterError, match="of frozen only head can be trained"):
        choose_recipe(Hyperparameters(run_id="run-1", recipe="partial"), family, mobile, CPU, 1000)


def test_few_lines_are_shown_more_often_and_in_more_views(mobile: Any) -> None:
    recipe = choose_recipe(AUTO, MOBILE, mobile, CPU, 200).recipe
    few, many = recipe.completed(200), recipe.completed(20_000)

    assert (few.epochs, few.views) == (few.most_epochs, few.most_views)
    assert (many.epochs, many.views) == (many.least_epochs, 2)


def test_what_is_asked_for_is_done(mobile: Any) -> None:
    wanted = Hyperparameters(
        run_id="run-1", recipe="full", overrides={"epochs": 1, "learning_rate": 1e-3}
    )

    recipe = choose_recipe(wanted, MOBILE, mobile, CPU, 250).recipe.completed(250)

    assert (recipe.name, recipe.epochs, recipe.views) == ("full", 1, 1)
    assert recipe.learning_rate == 1e-3


def test_without_augmentation_lines_are_shown_as_they_are() -> None:
    assert read_recipe("head", {"augment": "false"}).completed(200).views == 1


def test_old_lines_fill_the_rest_of_the_mix() -> None:
    assert replay_lines_wanted(700, 0.7) == 300
    assert replay_lines_wanted(700, 1.0) == 0


@pytest.mark.parametrize(
    ("wanted", "replay", "expected"),
    [(None, 0, 300), (None, 100, 200), (None, 300, 150), (7, 0, 7)],
)
def test_rendered_lines_fill_what_earlier_datasets_leave_open(
    wanted: int | None, replay: int, expected: int
) -> None:
    assert generic_lines_wanted(wanted, 300, replay) == expected
