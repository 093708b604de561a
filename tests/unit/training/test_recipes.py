"""Recipes: what the job decides when nobody tells it."""

from typing import Any

import pytest

from finetuning.device import Device
from finetuning.hyperparameters import Hyperparameters
from finetuning.networks import PP_OCRV4_ARCHITECTURE, build_network
from finetuning.recipes import choose_recipe, generic_lines_wanted, replay_lines_wanted
from finetuning.tiny import TINY_ARCHITECTURE

CPU, GPU = Device("cpu"), Device("gpu")
AUTO = Hyperparameters(run_id="run-1")


@pytest.fixture(scope="module")
def mobile() -> Any:
    return build_network(PP_OCRV4_ARCHITECTURE, 6625)


@pytest.fixture(scope="module")
def tiny() -> Any:
    return build_network(TINY_ARCHITECTURE, 16)


def test_on_a_cpu_only_the_head_of_a_real_network_is_trained(mobile: Any) -> None:
    recipe = choose_recipe(AUTO, mobile, CPU, 1000)

    assert recipe.name == "head"
    assert "CPU" in recipe.why


def test_a_gpu_or_a_small_network_trains_everything(mobile: Any, tiny: Any) -> None:
    assert choose_recipe(AUTO, mobile, GPU, 1000).name == "full"
    assert choose_recipe(AUTO, tiny, CPU, 1000).name == "full"


def test_few_lines_are_shown_more_often_and_in_more_views(mobile: Any) -> None:
    few, many = (choose_recipe(AUTO, mobile, CPU, lines) for lines in (250, 20_000))

    assert (few.epochs, few.views) == (12, 8)
    assert (many.epochs, many.views) == (2, 2)


def test_what_is_asked_for_is_done(mobile: Any) -> None:
    wanted = Hyperparameters(run_id="run-1", recipe="full", epochs=1, learning_rate=1e-3)

    recipe = choose_recipe(wanted, mobile, CPU, 250)

    assert (recipe.name, recipe.epochs, recipe.views) == ("full", 1, 1)
    assert recipe.learning_rate == 1e-3


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
