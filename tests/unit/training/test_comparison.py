"""Two models line by line: paired counts, and the lines that people look at."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from finetuning.album import Album
from finetuning.comparison import Comparison
from finetuning.labels import Label
from finetuning.metrics import Tally
from recognition.dictionary import Reading

PICTURE = np.zeros((48, 100, 3), dtype=np.uint8)


def compared(*lines: tuple[str, str, str, str], tracked: str = "") -> Comparison:
    """Compare lines given as image, truth, champion, candidate."""
    added = frozenset(tracked)
    comparison = Comparison(Tally(added), Tally(added))
    for image, truth, champion, candidate in lines:
        comparison.add(
            Label(image, truth), PICTURE, Reading(champion, 0.5), Reading(candidate, 0.5)
        )
    return comparison


def images(comparison: Comparison, kind: str) -> list[str]:
    return [each.label.key for each in getattr(comparison, kind)]


def test_the_four_outcomes_are_counted() -> None:
    found = compared(
        ("1", "a", "a", "a"),
        ("2", "a", "a", "b"),
        ("3", "a", "b", "a"),
        ("4", "a", "b", "a"),
        ("5", "a", "b", "c"),
    ).as_json()

    assert found["lines"] == 5
    assert found["paired"] == {
        "both_right": 1,
        "only_champion_right": 1,
        "only_candidate_right": 2,
        "both_wrong": 1,
    }


LINES = [
    ("slightly-wrong", "abcd", "abcd", "abcx"),
    ("all-wrong", "abcd", "abcd", "wxyz"),
    ("rescued", "abcd", "", "abcd"),
    ("a-little-better", "abcd", "abxx", "abcx"),
    ("unchanged", "abcd", "abcd", "abcd"),
]


@pytest.mark.parametrize("seed", range(4))
def test_examples_show_the_worst_and_the_most_improved_first(seed: int) -> None:
    lines = random.Random(seed).sample(LINES, len(LINES))

    found = compared(*lines)

    assert images(found, "worst") == ["all-wrong", "a-little-better", "slightly-wrong"]
    assert images(found, "most_improved") == ["rescued", "a-little-better"]


def test_examples_are_the_first_few_of_many() -> None:
    numbers = random.Random(0).sample(range(100), 100)

    found = compared(*((f"{number:03d}", "a", "b", "c") for number in numbers))

    assert images(found, "worst") == [f"{number:03d}" for number in range(24)]
    assert images(found, "most_improved") == []


def test_new_characters_are_told_with_what_each_model_recalled() -> None:
    found = compared(
        ("1", "\u0416\u0429", "XX", "\u0416X"),
        ("2", "\u0429", "X", "\u0429"),
        tracked="\u0416\u0429\u042f",
    ).as_json()

    assert found["new_characters"] == [
        {
            "character": "\u0429",
            "occurrences": 2,
            "candidate_recalled": 1,
            "champion_recalled": 0,
        },
        {
            "character": "\u0416",
            "occurrences": 1,
            "candidate_recalled": 1,
            "champion_recalled": 0,
        },
    ]


def test_without_a_champion_nothing_is_compared() -> None:
    comparison = Comparison(None, Tally())
    comparison.add(Label("1", "a"), PICTURE, None, Reading("b", 0.5))
    found = comparison.as_json()

    assert (found["champion"], found["paired"]) == (None, None)
    assert found["confusions"]["champion"] == []
    assert [each.champion for each in comparison.worst] == [None]


def test_an_example_is_told_with_its_place_and_its_picture() -> None:
    comparison = Comparison(None, Tally())
    label = Label("page.png", " a ", "[[0,0],[9,0],[9,5],[0,5]]")
    comparison.add(label, PICTURE, None, Reading("b", float("nan")))
    (example,) = comparison.worst

    assert example.as_json("examples/0001.jpg") == {
        "image": "page.png",
        "box": [[0, 0], [9, 0], [9, 5], [0, 5]],
        "truth": "a",
        "champion": None,
        "candidate": "b",
        "candidate_confidence": 0.0,
        "picture": "examples/0001.jpg",
    }


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((48, 100), (48, 100)),
        ((32, 320), (32, 320)),
        ((48, 3200), (14, 960)),
        ((96, 200), (48, 100)),
        ((1, 2000), (1, 960)),
    ],
)
def test_pictures_are_small(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    name = Album(tmp_path).add(np.full((*size, 3), 200, dtype=np.uint8))

    picture = cv2.imread(str(tmp_path / name))
    assert picture is not None
    assert picture.shape[:2] == shown
    assert abs(int(picture.mean()) - 200) < 3
