"""Evaluation metrics: PaddleOCR's definitions, calibration, confusions, new characters."""

import importlib
import random
import sys
from types import ModuleType
from typing import Any

import pytest

from finetuning.metrics import Confusion, Metrics, Tally, score
from finetuning.runtime import paddleocr_directory
from recognition.dictionary import Reading

ALPHABET = "ab0O \u4e2d\u0416\U0001f600e\u0301"


def tally(*pairs: tuple[str, str], tracked: str = "", confidence: float = 0.9) -> Tally:
    result = Tally(frozenset(tracked))
    for truth, text in pairs:
        result.add(truth, Reading(text, confidence))
    return result


def test_metrics_of_a_small_slice() -> None:
    result = tally(("abcd", "abcx"), ("12", "12")).metrics()

    assert result.exact_match == 0.5
    assert result.character_error_rate == pytest.approx(1 / 6)
    assert result.normalized_edit_distance == pytest.approx((0.75 + 1.0) / 2)


def test_an_empty_slice_is_all_wrong() -> None:
    assert Tally().metrics() == Metrics(0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


# --- against PaddleOCR's own


@pytest.fixture
def rec_metric(monkeypatch: pytest.MonkeyPatch) -> Any:
    """PaddleOCR's own class; the package around it needs geometry that recognition does not."""
    package = ModuleType("ppocr.metrics")
    package.__path__ = [str(paddleocr_directory() / "ppocr" / "metrics")]
    monkeypatch.setitem(sys.modules, "ppocr.metrics", package)
    for name in ("rec_metric", "bleu"):
        monkeypatch.delitem(sys.modules, f"ppocr.metrics.{name}", raising=False)
    module = importlib.import_module("ppocr.metrics.rec_metric")
    monkeypatch.delitem(sys.modules, "ppocr.metrics.bleu")
    monkeypatch.delitem(sys.modules, "ppocr.metrics.rec_metric")
    return module.RecMetric


def predictions(seed: int, count: int) -> list[tuple[str, str]]:
    """Return random truths and readings of them, some right, some empty, some far off."""
    drawn = random.Random(seed)

    def text(most: int) -> str:
        return "".join(drawn.choices(ALPHABET, k=drawn.randint(0, most)))

    pairs = [("a", ""), ("ab", "ab"), ("a b", "ab"), ("A", "a"), ("O0", "00")]
    while len(pairs) < count:
        truth = text(12) or "a"
        changed = truth[: drawn.randint(0, len(truth))] + text(2)
        pairs.append((truth, drawn.choice([truth, changed, text(12)])))
    return pairs


def paddleocr(metric: Any, pairs: list[tuple[str, str]]) -> tuple[float, float]:
    """Return PaddleOCR's accuracy and similarity, in batches as its own evaluation calls it."""
    for start in range(0, len(pairs), 7):
        batch = pairs[start : start + 7]
        metric(([(text, 0.9) for _, text in batch], [(truth, 1.0) for truth, _ in batch]))
    found = metric.get_metric()
    # PaddleOCR divides by lines + eps; for 1 - x / (lines + eps) that has to be undone inside.
    lines, eps = len(pairs), metric.eps
    return (
        found["acc"] * (lines + eps) / lines,
        1 - (1 - found["norm_edit_dis"]) * (lines + eps) / lines,
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [5, 200])
def test_numbers_equal_those_of_paddleocr(rec_metric: Any, seed: int, count: int) -> None:
    pairs = predictions(seed, count)
    ours = tally(*pairs).metrics()

    assert (ours.exact_match, ours.normalized_edit_distance) == pytest.approx(
        paddleocr(rec_metric(ignore_space=False), pairs), abs=1e-12
    )


def test_paddleocrs_default_forgives_spaces_and_ours_does_not(rec_metric: Any) -> None:
    pairs = predictions(0, 200)
    without = [(truth.replace(" ", ""), text.replace(" ", "")) for truth, text in pairs]
    ours, forgiving = tally(*pairs).metrics(), tally(*without).metrics()

    assert (forgiving.exact_match, forgiving.normalized_edit_distance) == pytest.approx(
        paddleocr(rec_metric(), pairs), abs=1e-12
    )
    assert ours.exact_match < forgiving.exact_match


def test_paddleocrs_filter_forgives_case_and_what_is_not_ascii_and_ours_does_not(
    rec_metric: Any,
) -> None:
    pairs = [("Ab-1", "aB1"), ("x", "y")]

    assert paddleocr(rec_metric(is_filter=True), pairs)[0] == pytest.approx(0.5)
    assert tally(*pairs).metrics().exact_match == 0.0


# --- calibration


def calibrated(*lines: tuple[float, bool]) -> Metrics:
    result = Tally()
    for confidence, right in lines:
        result.add("a", Reading("a" if right else "b", confidence))
    return result.metrics()


def test_confidence_that_is_right_as_often_as_it_says_has_no_calibration_error() -> None:
    result = calibrated(*[(0.75, index < 3) for index in range(4)], *[(1.0, True)] * 2)

    assert result.expected_calibration_error == pytest.approx(0.0)
    assert result.mean_confidence == pytest.approx(5 / 6)


def test_calibration_error_weighs_the_gaps_of_the_bins_by_their_lines() -> None:
    # Three lines of 0.95 of which one is right, one line of 0.15 that is right.
    result = calibrated((0.95, True), (0.95, False), (0.95, False), (0.15, True))

    assert result.expected_calibration_error == pytest.approx((3 * (0.95 - 1 / 3) + 0.85) / 4)


def test_gaps_of_opposite_sign_cancel_within_a_bin_only() -> None:
    assert calibrated((0.91, True), (0.99, False)).expected_calibration_error == pytest.approx(0.45)
    assert calibrated((0.3, True), (0.7, False)).expected_calibration_error == pytest.approx(0.7)


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), -1.0])
def test_a_network_that_gives_no_numbers_is_sure_of_nothing(confidence: float) -> None:
    result = calibrated((confidence, False))

    assert result.mean_confidence == 0.0
    assert result.expected_calibration_error == 0.0


# --- characters


def test_confusions_tell_what_was_read_for_what_the_most_frequent_first() -> None:
    found = tally(("10", "1O"), ("200", "2OO"), ("abc", "ac"), ("abc", "axbc"), ("b", "b"))

    assert found.confusions() == [
        Confusion("0", "O", 3),
        Confusion("", "x", 1),
        Confusion("b", "", 1),
    ]


def test_confusions_are_few() -> None:
    found = tally(*[(chr(0x4E00 + index), "x") for index in range(100)])

    assert len(found.confusions()) == 20


def test_new_characters_are_recalled_where_they_stand() -> None:
    # Of the second line's two, the one that is read elsewhere does not count.
    found = tally(
        ("\u0416a", "\u0416a"), ("\u0416b\u0416", "\u0416bX"), ("c", "c"), tracked="\u0416\u0429"
    )

    assert dict(found.recalled) == {"\u0416": 2}


def test_similarity_is_one_less_edits_per_character_of_the_longer_text() -> None:
    assert score("abcd", "ab").similarity == 0.5
    assert score("a", "xyz").similarity == pytest.approx(0.0)
    assert score("", "").similarity == 1.0
