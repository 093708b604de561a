"""What training starts from: the champion, its dictionary as the job asks for it."""

from pathlib import Path

import pytest

from finetuning.artefacts import TrainableModel, load_model
from finetuning.preparation import start_from
from finetuning.recipes import read_recipe


@pytest.fixture
def champion(tiny_dir: Path) -> TrainableModel:
    return load_model(tiny_dir)[0]


def test_only_characters_that_the_champion_lacks_are_added(champion: TrainableModel) -> None:
    known = champion.dictionary.characters[0]

    start = start_from(champion, ("Я", known, "Ж"), (), read_recipe("small"), seed=1)

    assert start.added == ("Я", "Ж")
    assert start.model.dictionary.characters == (*champion.dictionary.characters, "Я", "Ж")


def test_a_character_to_remove_that_is_gone_already_is_passed_over(
    champion: TrainableModel,
) -> None:
    first = champion.dictionary.characters[0]

    start = start_from(champion, (), (first, "Я"), read_recipe("small"), seed=1)

    assert start.removed == (first,)
    assert start.model.dictionary.characters == champion.dictionary.characters[1:]
