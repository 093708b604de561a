"""The promise of the holdouts: an image stays on its side, whatever happens."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining.holdout import Rule, format_sides, load_golden, load_sides, split
from retraining.problems import Problem
from retraining.workspace import HOLDOUT, TRAIN, Workspace, new_workspace

RULE = Rule(percent=15, enough_to_judge=20)


@dataclass(frozen=True)
class Labelled:
    """A line of a drop: which picture it shows, under which name, and whether val.txt names it."""

    picture: int
    name: str = ""
    val: bool = False
    box: int = 0


@dataclass
class Stack:
    """What lasts from run to run: the contents of every dataset, and all that ever happened."""

    contents: dict[str, list[str]] = field(default_factory=dict)
    golden: tuple[int, ...] = ()
    trained: set[int] = field(default_factory=set)
    measured: set[int] = field(default_factory=set)

    def run(
        self, drops: Mapping[str, Sequence[Labelled]], rule: Rule = RULE
    ) -> dict[str, dict[str, list[int]]]:
        """Validate drops as one run; returns the pictures per dataset and side."""
        with new_workspace() as workspace:
            pictures = _fill(workspace, drops)
            numbers = {name: number for number, name in workspace.datasets()}
            for name, rows in self.contents.items():
                load_sides(workspace, rows, numbers.get(name))
            load_golden(workspace, [f"{sha256(each)}\tgolden" for each in self.golden], "general")
            split(workspace, rule)
            for name, number in numbers.items():
                self.contents[name] = [
                    row.rstrip("\n") for row in format_sides(workspace, number, trains=True)
                ]
            found = _sides(workspace, pictures)
        for sides in found.values():
            self.trained |= set(sides[TRAIN])
            self.measured |= set(sides[HOLDOUT])
        return found


def sha256(picture: int) -> str:
    return hashlib.sha256(str(picture).encode()).hexdigest()


def _fill(workspace: Workspace, drops: Mapping[str, Sequence[Labelled]]) -> dict[int, int]:
    pictures: dict[int, int] = {}
    for name, lines in drops.items():
        dataset = workspace.add_dataset(name)
        objects: dict[tuple[int, str], int] = {}
        for line in sorted(lines, key=lambda each: not each.val):
            file = (line.picture, line.name)
            if file not in objects:
                objects[file] = len(pictures) + 1
                pictures[objects[file]] = line.picture
                workspace.db.execute(
                    "INSERT INTO images VALUES (?, ?, 10, 10, '')",
                    (objects[file], bytes.fromhex(sha256(line.picture))),
                )
            workspace.db.execute(
                "INSERT OR IGNORE INTO lines (dataset, object, points, text, place, own_holdout)"
                " VALUES (?, ?, ?, 'x', 'somewhere', ?)",
                (dataset, objects[file], str(line.box), line.val),
            )
    return pictures


def _sides(workspace: Workspace, pictures: Mapping[int, int]) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for number, name in workspace.datasets():
        found[name] = {TRAIN: [], HOLDOUT: [], "unused": []}
        for image, side in workspace.db.execute(
            "SELECT object, side FROM lines WHERE dataset = ? ORDER BY id", (number,)
        ):
            found[name][side].append(pictures[image])
    return found


def drop(*pictures: int) -> list[Labelled]:
    return [Labelled(each) for each in pictures]


NAMES = st.sampled_from(["meters", "plates", "receipts"])
LINES = st.lists(
    st.builds(
        Labelled,
        picture=st.integers(0, 90),
        name=st.sampled_from(["", "copy", "other name"]),
        val=st.booleans(),
        box=st.integers(0, 2),
    ),
    max_size=90,
)
PLAIN = st.lists(st.integers(0, 200), min_size=40, max_size=120).map(lambda some: drop(*some))
DROPS = st.dictionaries(NAMES, st.one_of(LINES, PLAIN), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(DROPS, min_size=2, max_size=6), st.sampled_from([RULE, Rule(40, 5), Rule(1, 1)]))
def test_no_picture_is_ever_trained_on_and_measured_with(
    runs: list[dict[str, list[Labelled]]], rule: Rule
) -> None:
    stack = Stack()
    for drops in runs:
        stack.run(drops, rule)
        assert not stack.trained & stack.measured


@settings(max_examples=30, deadline=None)
@given(st.lists(DROPS, min_size=1, max_size=4))
def test_the_same_drops_are_split_the_same_way_again(
    runs: list[dict[str, list[Labelled]]],
) -> None:
    stack, other = Stack(), Stack()
    for drops in runs:
        first = stack.run(drops)
        # A function that is repeated, and a stack that begins anew, decide alike.
        assert stack.run(drops) == first
        assert other.run(dict(reversed(drops.items()))) == first
        other.contents = {name: list(rows) for name, rows in stack.contents.items()}


@settings(max_examples=30, deadline=None)
@given(DROPS, st.sets(st.integers(0, 200), max_size=60))
def test_golden_pictures_are_never_trained_on(
    drops: dict[str, list[Labelled]], golden: set[int]
) -> None:
    stack = Stack(golden=tuple(golden))
    stack.run(drops)
    assert not stack.trained & golden


@settings(max_examples=30, deadline=None)
@given(DROPS)
def test_the_lines_of_one_page_stay_together(drops: dict[str, list[Labelled]]) -> None:
    for sides in Stack().run(drops).values():
        assert not set(sides[TRAIN]) & set(sides[HOLDOUT])


@pytest.mark.parametrize("count", [0, 1, 19, 59])
def test_a_small_dataset_is_split_by_percent_alone(count: int) -> None:
    sides = Stack().run({"meters": drop(*range(count))})["meters"]
    expected = [each for each in range(count) if int(sha256(each)[:8], 16) < 16**8 * 15 // 100]
    assert sides[HOLDOUT] == expected


def test_a_larger_dataset_holds_out_enough_to_judge_and_grows_without_a_change() -> None:
    stack = Stack()
    held: set[int] = set()
    for count in (60, 100, 140, 300, 1000):
        sides = stack.run({"meters": drop(*range(count))})["meters"]
        assert len(sides[HOLDOUT]) >= 20
        assert held <= set(sides[HOLDOUT])
        held = set(sides[HOLDOUT])
    assert not stack.trained & stack.measured
    assert 120 <= len(held) <= 200


def test_the_same_data_under_another_name_is_split_alike() -> None:
    stack = Stack()
    first = stack.run({"meters": drop(*range(80))})["meters"]
    renamed = [Labelled(each, "another file name") for each in range(80)]
    assert stack.run({"copy of meters": renamed})["copy of meters"] == first


def test_a_picture_of_val_that_was_trained_on_is_not_held_out() -> None:
    stack = Stack()
    stack.run({"meters": [*drop(1, 2), Labelled(3, val=True)]})
    later = [Labelled(1, val=True), Labelled(4, val=True), *drop(5)]
    with problems_of(stack, {"plates": later}) as problems:
        assert [each.code for each in problems] == ["trained_before"]
    assert stack.run({"plates": later})["plates"] == {TRAIN: [5], HOLDOUT: [4], "unused": [1]}


def test_a_train_line_whose_picture_is_held_out_elsewhere_is_not_trained_on() -> None:
    stack = Stack()
    stack.run({"meters": [*drop(1), Labelled(2, val=True)]})
    with problems_of(stack, {"plates": [*drop(2, 6), Labelled(7, val=True)]}) as problems:
        assert [each.code for each in problems] == ["held_out_elsewhere"]
    assert 2 not in stack.trained


def test_in_one_run_val_of_one_dataset_counts_for_all() -> None:
    stack = Stack()
    found = stack.run({"plates": drop(1, 2), "meters": [Labelled(2, val=True), *drop(9)]})
    assert 2 not in found["plates"][TRAIN]
    assert found["meters"] == {TRAIN: [9], HOLDOUT: [2], "unused": []}


def test_what_a_dataset_once_held_is_remembered_when_it_is_dropped_without_it() -> None:
    stack = Stack()
    stack.run({"meters": [Labelled(1, val=True), *drop(2)]})
    stack.run({"meters": drop(3)})
    stack.run({"meters": drop(1, 2)})
    assert 1 not in stack.trained
    assert 2 not in stack.measured


@contextmanager
def problems_of(stack: Stack, drops: Mapping[str, Sequence[Labelled]]) -> Iterator[list[Problem]]:
    """Give the problems that a run of these drops finds, without running it."""
    with new_workspace() as workspace:
        _fill(workspace, drops)
        for rows in stack.contents.values():
            load_sides(workspace, rows)
        split(workspace, RULE)
        yield [
            Problem(*each)
            for each in workspace.db.execute("SELECT code, place, detail FROM problems ORDER BY id")
        ]
