"""Exact tests and intervals against independent calculations."""

from itertools import product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining.chance import difference_interval, drop_bound, loss_by_chance, mcnemar, wilson


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [(0, 0, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (5, 5, 1.0), (2, 10, 0.03857421875)],
)
def test_mcnemar_is_exact(lost: int, won: int, expected: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [(0, 0, 1.0), (5, 0, 0.03125), (0, 5, 1.0), (4, 0, 0.0625), (10, 2, 0.019287109375)],
)
def test_loss_by_chance_is_exact(lost: int, won: int, expected: float) -> None:
    assert loss_by_chance(lost, won) == pytest.approx(expected)


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_a_symmetric_probability(a: int, b: int) -> None:
    assert 0.0 <= mcnemar(a, b) <= 1.0
    assert mcnemar(a, b) == mcnemar(b, a)


def test_wilson_is_that_of_the_textbook() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_wilson_holds_the_share_itself(lines: int, right: int) -> None:
    low, high = wilson(min(right, lines), lines)
    assert 0.0 <= low <= min(right, lines) / lines <= high <= 1.0


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 500))
def test_the_interval_of_the_difference_holds_what_was_seen(lost: int, won: int, rest: int) -> None:
    lines = lost + won + rest
    low, high = difference_interval(lost, won, lines)
    assert -1.0 <= low <= high <= 1.0
    if lines:
        assert low <= (won - lost) / lines <= high
        assert difference_interval(won, lost, lines) == pytest.approx((-high, -low))
        assert drop_bound(lost, won, lines, 0.025) == pytest.approx(-low)
        assert drop_bound(lost, won, lines, 0.2) <= -low


@pytest.mark.parametrize(("lose", "win"), [(0.05, 0.05), (0.02, 0.1), (0.3, 0.1), (0.0, 0.2)])
def test_the_interval_covers_the_truth_in_about_95_of_100_cases(lose: float, win: float) -> None:
    lines = 30
    covered = 0.0
    for lost, won in product(range(lines + 1), repeat=2):
        if lost + won <= lines:
            low, high = difference_interval(lost, won, lines)
            if low - 1e-9 <= win - lose <= high + 1e-9:
                rest = lines - lost - won
                ways = comb(lines, lost) * comb(lines - lost, won)
                covered += ways * lose**lost * win**won * (1 - lose - win) ** rest
    assert 0.93 <= covered <= 0.995


def test_few_lines_without_a_difference_still_leave_room_for_one() -> None:
    # Of 50 lines none was lost: by the rule of three, up to 3 / 50 may be.
    assert drop_bound(0, 0, 50, 0.05) == pytest.approx(0.06, abs=0.01)
    assert drop_bound(0, 0, 1000, 0.05) < 0.003
    assert drop_bound(0, 0, 0, 0.05) == 1.0
