"""The verdict: a pure function of what was measured and the policy."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining.measured import Evaluation, Slice
from retraining.promotion import CONCLUSIVE_LINES, TIMED_LINES, Policy, Verdict, judge

POLICY = Policy(min_gain=0.01, max_drop=0.01, min_slice_lines=20, significance=0.05)
NEW = Slice("handwriting", "new", 90, 8, 93, 9)
GOLDEN = Slice("general", "golden", 180, 2, 5, 13)
EQUAL = Slice("general", "golden", 291, 3, 3, 3)
TOO_FEW = "too few to judge by"


def verdict_on(*slices: Slice, policy: Policy = POLICY, champion_error: str = "") -> Verdict:
    return judge(Evaluation(slices, champion_error), policy)


def golden(lost: int, won: int, lines: int = 300, name: str = "general") -> Slice:
    return Slice(name, "golden", lines - lost - won, lost, won, 0)


def alone(name: str, kind: str, right: int, lines: int) -> Slice:
    return Slice(name, kind, 0, 0, right, lines - right, has_champion=False)


CASES = {
    "clearly better": ([NEW, GOLDEN], True, "Luck does not explain this"),
    "too few new lines": ([Slice("tiny", "new", 2, 0, 8, 2), GOLDEN], False, TOO_FEW),
    "no new lines": ([GOLDEN], False, TOO_FEW),
    "nothing measured": ([], False, TOO_FEW),
    "an empty new set": ([Slice("none", "new", 0, 0, 0, 0), GOLDEN], False, TOO_FEW),
    "an empty golden set": ([NEW, Slice("none", "golden", 0, 0, 0, 0)], True, "has 0 lines"),
    "gain within noise": ([Slice("few", "new", 20, 3, 6, 11)], False, "may well be luck"),
    "certain gain too small to matter": (
        [Slice("huge", "new", 5000, 0, 40, 4960)],
        False,
        "0.4 points",
    ),
    "gain of exactly what is asked for": ([Slice("big", "new", 100, 0, 10, 890)], True, "Luck"),
    "equal models": ([Slice("same", "new", 100, 0, 0, 100)], False, "That is no gain"),
    "worse model": ([Slice("worse", "new", 100, 20, 5, 75)], False, "That is no gain"),
    "drop on one of two golden sets": (
        [NEW, GOLDEN, golden(12, 0, name="receipts")],
        False,
        "receipts (golden set): 100.0 % to 96.0 % of 300 lines",
    ),
    "drop of exactly what is allowed": (
        [NEW, Slice("general", "old", 190, 4, 2, 4)],
        True,
        "general (earlier data) loses 1.0 points",
    ),
    "certain drop within what is allowed": ([NEW, golden(9, 0, lines=1000)], True, "kept"),
    "drop that bad luck explains": ([NEW, golden(4, 0)], True, "may well be bad luck"),
    "drop that bad luck does not explain": ([NEW, golden(5, 0)], False, "1.7 points"),
    "drop in a set that is too small": (
        [NEW, Slice("old", "old", 5, 5, 0, 5)],
        True,
        "old (earlier data) has 15 lines, too few to judge by alone",
    ),
    "one new set read worse": (
        [NEW, Slice("b", "new", 70, 20, 0, 10)],
        False,
        "b (new data): 90.0 % to 70.0 %",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_says_why(name: str) -> None:
    slices, promote, reason = CASES[name]
    verdict = verdict_on(*slices)
    assert verdict.promote is promote
    assert any(reason in each for each in verdict.reasons), verdict.reasons
    assert verdict.headline.startswith("Promoted: " if promote else "Rejected: ")


def test_a_promotion_has_its_numbers_in_the_headline() -> None:
    assert verdict_on(NEW, GOLDEN).headline == (
        "Promoted: 91.5 % of the new lines are read exactly instead of 49.0 %."
    )


def test_a_candidate_that_forgets_is_marked_where_it_does() -> None:
    verdict = verdict_on(NEW, golden(12, 0), EQUAL)
    assert verdict.headline.endswith(", but what the model knew before got worse.")
    assert [each.passed for each in verdict.slices] == [True, False, True]
    assert not any("is kept" in each for each in verdict.reasons)


def test_a_headline_with_several_objections_is_one_sentence() -> None:
    worse = Slice("worse", "new", 100, 20, 5, 75)
    assert verdict_on(worse, golden(12, 0)).headline == (
        "Rejected: 52.5 % of the new lines are read exactly instead of 60.0 %, "
        "which is not enough, and what the model knew before got worse."
    )
    slow = replace(NEW, champion_milliseconds=1.0, candidate_milliseconds=3.0)
    assert verdict_on(slow, golden(12, 0)).headline.endswith(
        ", but what the model knew before got worse, and reading takes too long."
    )


def test_a_clear_drop_is_told_as_one_whatever_can_be_ruled_out() -> None:
    (_, known) = verdict_on(NEW, golden(60, 2, lines=600)).slices
    assert "That is a drop of 9.7 points" in known.sentence


# --- many sets


def test_among_many_sets_a_drop_must_be_less_likely_to_count() -> None:
    dropped, others = golden(7, 0), [replace(EQUAL, name=f"{each}") for each in range(9)]
    assert not verdict_on(NEW, dropped).promote
    verdict = verdict_on(NEW, dropped, *others)
    assert verdict.promote
    assert any("it counts below 0.5 %" in each for each in verdict.reasons)


def test_among_many_sets_a_large_drop_counts_as_in_one() -> None:
    dropped, others = golden(15, 4), [replace(EQUAL, name=f"{each}") for each in range(9)]
    assert not verdict_on(NEW, dropped, *others).promote


def test_many_small_drops_count_together() -> None:
    sets = [golden(3, 0, lines=100, name=f"{each}") for each in range(4)]
    assert all(each.passed for each in verdict_on(NEW, *sets).slices)
    verdict = verdict_on(NEW, *sets)
    assert not verdict.promote
    assert any(
        each.startswith("All earlier and golden lines together: 100.0 % to 97.0 % of 400 lines")
        for each in verdict.reasons
    )


def test_sets_that_are_too_small_count_together() -> None:
    known = [Slice(f"{each}", "old", 13, 2, 0, 0) for each in range(4)]
    assert not verdict_on(NEW, *known).promote
    new = [Slice(f"{each}", "new", 5, 0, 5, 2) for each in range(4)]
    assert verdict_on(*new).promote
    assert verdict_on(*new).headline.startswith("Promoted: 83.3 % of the new lines")


def test_many_equal_sets_do_not_keep_a_better_candidate_away() -> None:
    assert verdict_on(NEW, *(replace(EQUAL, name=f"{each}") for each in range(50))).promote


def test_new_sets_are_judged_together() -> None:
    half = Slice("a", "new", 10, 2, 8, 10)
    assert not verdict_on(half).promote
    assert verdict_on(half, replace(half, name="b")).promote


def test_a_new_set_that_is_doubtful_is_shown_as_not_gained() -> None:
    verdict = verdict_on(NEW, Slice("b", "new", 20, 2, 1, 7))
    assert verdict.promote
    assert [each.passed for each in verdict.slices] == [True, False]


# --- what must be ruled out


# The drop is within what chance explains; what it may be in truth is not.
RESTLESS = golden(70, 53, lines=500)


def test_a_loss_above_the_margin_must_be_ruled_out() -> None:
    verdict = verdict_on(NEW, RESTLESS)
    assert not verdict.promote
    assert verdict.headline.endswith("but what the model knew before got worse.")
    assert any(
        "may have lost up to 7.1 points (95 % certain), more than the 5.0 points" in each
        for each in verdict.reasons
    ), verdict.reasons
    (_, known) = verdict.as_json()["slices"]
    assert (known["passed"], known["non_inferior"]) == (False, False)
    assert known["drop_bound"] == pytest.approx(0.0707, abs=1e-4)


@pytest.mark.parametrize(
    ("known", "policy"),
    [
        pytest.param(RESTLESS, replace(POLICY, non_inferiority_margin=0.0), id="not asked for"),
        pytest.param(RESTLESS, replace(POLICY, non_inferiority_margin=0.08), id="wide margin"),
        pytest.param(golden(70, 53, lines=499), POLICY, id="too few lines to prove it"),
        pytest.param(golden(53, 53, lines=500), POLICY, id="ruled out"),
    ],
)
def test_a_loss_that_is_ruled_out_or_need_not_be_rejects_nothing(
    known: Slice, policy: Policy
) -> None:
    assert verdict_on(NEW, known, policy=policy).promote


def test_sets_that_prove_nothing_alone_must_together() -> None:
    halves = {"a": golden(35, 27, lines=250), "b": golden(35, 26, lines=250)}
    sets = [replace(each, name=name) for name, each in halves.items()]
    assert all(each.passed for each in verdict_on(NEW, *sets).slices)
    verdict = verdict_on(NEW, *sets)
    assert not verdict.promote
    assert any(
        each.startswith("All earlier and golden lines together: ") and "7.1 points (95 %" in each
        for each in verdict.reasons
    ), verdict.reasons


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (golden(1, 1, lines=1000), "a loss of more than 0.4 points can be ruled out with 95 %"),
        (golden(0, 30, lines=1000), "any loss can be ruled out with 95 % certainty"),
        (golden(0, 0, lines=30), "a loss of up to 8.3 points cannot be ruled out with 95 %"),
    ],
)
def test_a_promotion_tells_what_can_be_ruled_out(known: Slice, said: str) -> None:
    verdict = verdict_on(NEW, known)
    assert verdict.promote
    assert any(said in each for each in verdict.reasons), verdict.reasons


# --- no champion


def test_without_a_champion_the_absolute_floor_decides() -> None:
    verdict = verdict_on(alone("a", "new", 30, 50), champion_error="")
    assert verdict.promote
    assert "no approved model" in verdict.reasons[0]
    assert verdict.headline == "Promoted: 60.0 % of the new lines are read exactly."
    assert not verdict_on(alone("a", "new", 20, 50)).promote
    assert verdict_on(alone("a", "new", 20, 50), policy=replace(POLICY, absolute_floor=0.4)).promote


def test_a_champion_that_cannot_be_loaded_is_named_and_known_lines_must_reach_the_floor() -> None:
    error = "The champion model cannot be loaded: manifest.json is missing."
    new = alone("a", "new", 45, 50)
    verdict = verdict_on(new, alone("g", "golden", 90, 100), champion_error=error)
    assert verdict.promote
    assert "cannot be loaded: manifest.json is missing); the candidate reads" in verdict.reasons[0]
    assert verdict.as_json()["champion_error"] == error
    forgetful = verdict_on(new, alone("g", "golden", 40, 100), champion_error=error)
    assert not forgetful.promote
    assert forgetful.headline.endswith("but what the model knew before got worse.")
    assert any("40.0 % of 100 earlier and golden lines" in each for each in forgetful.reasons)


# --- speed


def timed(lines: int, champion: float, candidate: float) -> Slice:
    return Slice(
        "timed",
        "new",
        0,
        0,
        lines,
        0,
        champion_milliseconds=champion,
        candidate_milliseconds=candidate,
    )


def test_a_candidate_that_is_much_slower_is_rejected() -> None:
    verdict = verdict_on(timed(TIMED_LINES, 5.0, 12.0))
    assert not verdict.promote
    assert "12.0 ms per line, the approved model 5.0 ms: 2.4 times" in verdict.reasons[-1]
    assert verdict.headline.endswith("but reading takes too long.")


@pytest.mark.parametrize(
    ("slices", "factor"),
    [
        pytest.param([timed(TIMED_LINES - 1, 5.0, 12.0)], 2.0, id="few lines"),
        pytest.param([timed(TIMED_LINES, 5.0, 10.0)], 2.0, id="as slow as allowed"),
        pytest.param([timed(TIMED_LINES, 5.0, 12.0)], 0.0, id="not asked for"),
        pytest.param([timed(TIMED_LINES, 0.0, 12.0)], 2.0, id="not measured"),
        pytest.param(
            [timed(10, 5.0, 90.0), replace(timed(990, 5.0, 6.0), kind="golden")], 2.0, id="one set"
        ),
    ],
)
def test_speed_does_not_decide(slices: list[Slice], factor: float) -> None:
    assert verdict_on(NEW, *slices, policy=replace(POLICY, max_latency_factor=factor)).promote


# --- the shape


def test_the_verdict_has_the_agreed_shape() -> None:
    about = verdict_on(NEW, GOLDEN, timed(TIMED_LINES, 4.0, 5.0)).as_json()
    assert set(about) == {
        "promote",
        "headline",
        "reasons",
        "policy",
        "champion_error",
        "latency",
        "slices",
    }
    assert about["policy"] == {
        "min_gain": 0.01,
        "max_drop": 0.01,
        "large_drop": pytest.approx(0.03),
        "min_slice_lines": 20,
        "significance": 0.05,
        "absolute_floor": 0.5,
        "max_latency_factor": 2.0,
        "timed_lines": TIMED_LINES,
        "non_inferiority_margin": 0.05,
        "conclusive_lines": CONCLUSIVE_LINES,
    }
    assert about["latency"] == {
        "lines": TIMED_LINES,
        "champion": 4.0,
        "candidate": 5.0,
        "factor": 1.25,
    }
    new, known, _ = about["slices"]
    assert new["lines"] == 200
    assert new["champion_exact_match"] == pytest.approx(0.49)
    assert new["candidate_exact_match"] == pytest.approx(0.915)
    assert new["difference"] == pytest.approx(0.425)
    assert new["p_value"] < 0.001
    assert new["confidence_interval"][0] < 0.425 < new["confidence_interval"][1]
    assert new["champion_interval"][0] < 0.49 < new["champion_interval"][1]
    assert new["candidate_interval"][0] < 0.915 < new["candidate_interval"][1]
    assert "drop_bound" not in new
    assert 0.0 < known["drop_bound"] < 0.02
    assert known["non_inferior"] is None
    assert "non_inferior" not in new


def test_a_set_without_a_champion_has_no_difference() -> None:
    (about,) = verdict_on(alone("a", "new", 30, 50)).as_json()["slices"]
    assert about["champion_exact_match"] is None
    assert about["difference"] is None
    assert {"confidence_interval", "champion_interval", "drop_bound"}.isdisjoint(about)


COUNTS = st.lists(st.integers(0, 300), min_size=4, max_size=4)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_a_promoted_candidate_has_gained_and_what_it_lost_is_allowed_or_chance(
    first: list[int], second: list[int]
) -> None:
    new, known = Slice("n", "new", *first), Slice("g", "golden", *second)
    verdict = verdict_on(new, known)
    verdict.as_json()
    if verdict.promote:
        assert new.gain >= POLICY.min_gain - 1e-9
        lost, won = known.only_champion_right, known.only_candidate_right
        assert known.drop <= POLICY.max_drop + 1e-9 or (lost - won) ** 2 <= 4 * (lost + won)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_reading_one_more_golden_line_never_costs_the_promotion(
    first: list[int], second: list[int]
) -> None:
    new, known = Slice("n", "new", *first), Slice("g", "golden", *second)
    if known.only_champion_right and verdict_on(new, known).promote:
        better = replace(
            known,
            only_champion_right=known.only_champion_right - 1,
            both_right=known.both_right + 1,
        )
        assert verdict_on(new, better).promote
