from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining.evaluation import EvaluationError, slices_of
from retraining.promotion import Rule, Slice, judge, mcnemar

RULE = Rule(min_gain=0.01, max_drop=0.01, min_slice_lines=20, significance=0.05)
NEW = Slice("handwriting", "new", 90, 8, 93, 9)
GOLDEN = Slice("general", "golden", 180, 2, 5, 13)


def test_a_clearly_better_candidate_is_promoted_with_numbers_in_the_reason() -> None:
    verdict = judge([NEW, GOLDEN], RULE)
    assert verdict.promote
    assert verdict.headline == (
        "Promoted: 91.5 % of the new lines are read exactly instead of 49.0 %."
    )
    assert "93 lines got better, 8 got worse" in verdict.reasons[0]
    assert "200 lines" in verdict.reasons[0]
    assert "kept" in verdict.reasons[1]
    assert all(each.passed for each in verdict.slices)


def test_a_candidate_that_forgets_is_rejected_and_says_what_it_forgot() -> None:
    verdict = judge([NEW, replace(GOLDEN, only_champion_right=8)], RULE)
    assert not verdict.promote
    assert "got worse" in verdict.headline
    assert any("general (golden set)" in each and "1.5 points" in each for each in verdict.reasons)
    assert [each.passed for each in verdict.slices] == [True, False]


def test_a_drop_of_exactly_the_allowed_size_is_allowed() -> None:
    verdict = judge([NEW, Slice("general", "old", 190, 4, 2, 4)], RULE)
    assert verdict.slices[1].slice.gain == pytest.approx(-0.01)
    assert verdict.promote


def test_a_gain_of_exactly_the_asked_size_counts() -> None:
    verdict = judge([Slice("big", "new", 100, 0, 10, 890)], RULE)
    assert verdict.promote


def test_a_gain_that_luck_explains_is_rejected() -> None:
    verdict = judge([Slice("few", "new", 20, 3, 6, 11)], RULE)
    assert not verdict.promote
    assert "luck" in verdict.reasons[0]
    assert "More held out lines" in verdict.reasons[0]


def test_a_gain_too_small_to_matter_is_rejected_however_certain() -> None:
    verdict = judge([Slice("huge", "new", 5000, 0, 40, 4960)], RULE)
    assert not verdict.promote
    assert "0.4 points" in verdict.reasons[0]


def test_too_few_new_lines_are_not_judged() -> None:
    verdict = judge([Slice("tiny", "new", 2, 0, 8, 2), GOLDEN], RULE)
    assert not verdict.promote
    assert "too few" in verdict.headline
    assert "at least 20" in verdict.reasons[0]
    assert any("tiny" in each and "12 lines, too few" in each for each in verdict.reasons)


def test_a_small_known_slice_does_not_count_but_is_mentioned() -> None:
    verdict = judge([NEW, Slice("old", "old", 5, 5, 0, 5)], RULE)
    assert verdict.promote
    assert any("old (earlier data) has 15 lines" in each for each in verdict.reasons)


def test_new_slices_are_judged_together() -> None:
    half = Slice("a", "new", 10, 2, 8, 10)
    other = replace(half, name="b")
    assert not judge([half], RULE).promote
    assert judge([half, other], RULE).promote


def test_a_new_slice_that_is_worse_is_shown_as_such() -> None:
    verdict = judge([NEW, Slice("b", "new", 20, 2, 1, 7)], RULE)
    assert verdict.promote
    assert [each.passed for each in verdict.slices] == [True, False]


def test_without_a_champion_the_absolute_floor_decides() -> None:
    first = Slice("a", "new", 0, 0, 30, 20, has_champion=False)
    assert judge([first], RULE).promote
    assert "no approved model" in judge([first], RULE).reasons[0]
    weak = replace(first, only_candidate_right=20, both_wrong=30)
    assert not judge([weak], RULE).promote
    assert judge([weak], RULE).slices[0].as_json()["champion_exact_match"] is None


def test_an_equal_candidate_is_rejected() -> None:
    assert not judge([Slice("same", "new", 100, 0, 0, 100)], RULE).promote


def test_the_verdict_has_the_agreed_shape() -> None:
    about = judge([NEW, GOLDEN], RULE).as_json()
    assert set(about) == {"promote", "headline", "reasons", "slices"}
    assert about["slices"][0]["lines"] == 200
    assert about["slices"][0]["champion_exact_match"] == pytest.approx(0.49)
    assert about["slices"][0]["candidate_exact_match"] == pytest.approx(0.915)
    assert about["slices"][0]["difference"] == pytest.approx(0.425)
    assert about["slices"][0]["p_value"] < 0.001


@pytest.mark.parametrize(
    ("worse", "better", "expected"),
    [(0, 0, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (5, 5, 1.0), (2, 10, 0.03857421875)],
)
def test_mcnemar_is_exact(worse: int, better: int, expected: float) -> None:
    assert mcnemar(worse, better) == pytest.approx(expected)


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_a_symmetric_probability(a: int, b: int) -> None:
    assert 0.0 <= mcnemar(a, b) <= 1.0
    assert mcnemar(a, b) == mcnemar(b, a)


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), min_size=8, max_size=8))
def test_a_promoted_candidate_has_always_gained_and_never_lost(counts: list[int]) -> None:
    a, b, c, d, e, f, g, h = counts
    new, known = Slice("n", "new", a, b, c, d), Slice("g", "golden", e, f, g, h)
    if judge([new, known], RULE).promote:
        assert new.gain >= RULE.min_gain - 1e-9
        assert known.lines < RULE.min_slice_lines or known.gain >= -RULE.max_drop - 1e-9


EVALUATION: dict[str, Any] = {
    "run_id": "r1",
    "champion": {"package_arn": "arn", "sha256": "0", "dictionary_size": 10},
    "candidate": {"sha256": "1", "dictionary_size": 10},
    "slices": [
        {
            "name": "handwriting",
            "kind": "new",
            "lines": 4,
            "unreadable": [],
            "champion": {"exact_match": 0.5, "character_error_rate": 0.2},
            "candidate": {"exact_match": 0.75, "character_error_rate": 0.1},
            "paired": {
                "both_right": 2,
                "only_champion_right": 0,
                "only_candidate_right": 1,
                "both_wrong": 1,
            },
        }
    ],
}


def test_an_evaluation_is_read_as_slices() -> None:
    (found,) = slices_of(EVALUATION, "r1")
    assert found == Slice("handwriting", "new", 2, 0, 1, 1)


def test_an_evaluation_without_champion_counts_the_candidate_alone() -> None:
    alone = {**EVALUATION["slices"][0], "champion": None, "paired": None}
    (found,) = slices_of({**EVALUATION, "slices": [alone]}, "r1")
    assert (found.has_champion, found.lines, found.candidate) == (False, 4, 0.75)


def test_an_evaluation_of_another_run_is_refused() -> None:
    with pytest.raises(EvaluationError, match="of run r1, not of r2"):
        slices_of(EVALUATION, "r2")


def test_a_malformed_evaluation_is_refused_with_the_place() -> None:
    with pytest.raises(EvaluationError, match=r"slices\.0\.candidate"):
        slices_of({"run_id": "r1", "slices": [{"name": "x", "kind": "new", "lines": 1}]}, "r1")
