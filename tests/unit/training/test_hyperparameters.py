"""Hyperparameters: strings become values, mistakes become one sentence."""

import json
from pathlib import Path

import pytest

from finetuning.hyperparameters import HyperparameterError, read_hyperparameters
from finetuning.recipes import TUNABLE, read_recipe


def write(tmp_path: Path, **values: str) -> Path:
    path = tmp_path / "hyperparameters.json"
    path.write_text(json.dumps(values))
    return path


def test_only_the_run_id_is_required(tmp_path: Path) -> None:
    read = read_hyperparameters(write(tmp_path, run_id="run-1"))

    assert (read.recipe, read.seed, read.max_minutes) == ("auto", 1, None)
    assert read.overrides == {}


def test_strings_become_values(tmp_path: Path) -> None:
    read = read_hyperparameters(
        write(
            tmp_path,
            run_id="run-1",
            dataset_ids='["meters","labels"]',
            recipe="head",
            learning_rate="3e-4",
            epochs="4",
            generic_lines="auto",
            blend="false",
            max_minutes="1.5",
        )
    )

    assert read.dataset_ids == ("meters", "labels")
    assert (read.recipe, read.max_minutes) == ("head", 1.5)
    recipe = read_recipe("head", read.overrides)
    assert (recipe.learning_rate, recipe.epochs, recipe.generic_lines) == (3e-4, 4, None)
    assert (recipe.blend, recipe.depth) == (False, "head")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epochs": "3"}, "Hyperparameter 'run_id' is missing; it is required."),
        ({"run_id": "r", "epoch": "3"}, "Unknown hyperparameter 'epoch'; known are run_id, "),
        ({"run_id": "r", "epochs": "three"}, "Hyperparameter 'epochs' is 'three': "),
        ({"run_id": "r", "epochs": "0"}, "Hyperparameter 'epochs' is '0': "),
        ({"run_id": "r", "recipe": "best"}, "Hyperparameter 'recipe' is 'best': "),
        ({"run_id": "r", "recipe": "best"}, "known are auto, full, head, partial, scratch, small"),
        ({"run_id": "r", "dataset_ids": "meters"}, "expected a JSON list"),
        ({"run_id": "r", "remove_characters": "abc"}, "expected a JSON list"),
        ({"run_id": "r", "depth": "full"}, "Unknown hyperparameter 'depth'"),
        ({"run_id": "r", "overrides": "{}"}, "Unknown hyperparameter 'overrides'"),
        ({"run_id": "r", "blend": "perhaps"}, "Hyperparameter 'blend' is 'perhaps': "),
        ({"run_id": "r", "replay_ratio": "1.5"}, "Hyperparameter 'replay_ratio' is '1.5': "),
        ({"run_id": "r", "learning_rate": "nan"}, "Hyperparameter 'learning_rate' is 'nan': "),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, values: dict[str, str], sentence: str) -> None:
    with pytest.raises(HyperparameterError) as caught:
        read_hyperparameters(write(tmp_path, **values))

    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "nonsense"])
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "hyperparameters.json").write_text(content)

    with pytest.raises(HyperparameterError, match=r"hyperparameters\.json is not"):
        read_hyperparameters(tmp_path / "hyperparameters.json")


def test_every_number_of_a_recipe_can_be_overridden(tmp_path: Path) -> None:
    numbers = {name: "auto" if name in ("epochs", "views") else "1" for name in TUNABLE}
    numbers |= {"warmup": "0", "learning_rate": "0.1"}

    read = read_hyperparameters(write(tmp_path, run_id="r", **numbers))

    assert set(read.overrides) == set(TUNABLE)
