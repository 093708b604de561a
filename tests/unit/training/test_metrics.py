"""Evaluation metrics: PaddleOCR's definitions, and the paired counts the verdict rests on."""

import pytest

from finetuning.metrics import Line, accuracy, examples, paired


def test_metrics_of_a_small_slice() -> None:
    result = accuracy(["abcd", "12"], ["abcx", "12"])

    assert result.exact_match == 0.5
    assert result.character_error_rate == pytest.approx(1 / 6)
    assert result.normalized_edit_distance == pytest.approx((0.75 + 1.0) / 2)


def test_an_empty_slice_is_all_wrong() -> None:
    assert accuracy([], []).exact_match == 0.0


def test_the_four_outcomes_are_counted() -> None:
    lines = [
        Line("1", "a", "a", "a"),
        Line("2", "a", "a", "b"),
        Line("3", "a", "b", "a"),
        Line("4", "a", "b", "a"),
        Line("5", "a", "b", "c"),
    ]

    counts = paired(lines)

    assert (counts.both_right, counts.only_champion_right) == (1, 1)
    assert (counts.only_candidate_right, counts.both_wrong) == (2, 1)


def test_examples_show_the_worst_and_the_most_improved_first() -> None:
    lines = [
        Line("slightly-wrong", "abcd", "abcd", "abcx"),
        Line("all-wrong", "abcd", "abcd", "wxyz"),
        Line("rescued", "abcd", "", "abcd"),
        Line("a-little-better", "abcd", "abxx", "abcx"),
        Line("unchanged", "abcd", "abcd", "abcd"),
    ]

    shown = examples(lines)

    assert [line.image for line in shown.worst] == [
        "all-wrong",
        "a-little-better",
        "slightly-wrong",
    ]
    assert [line.image for line in shown.most_improved] == ["rescued", "a-little-better"]


def test_examples_are_few() -> None:
    lines = [Line(f"{number:03d}", "a", "b", "c") for number in range(100)]

    assert len(examples(lines).worst) == 24
