"""evaluation.json: what is read of it, and what is refused with what to do."""

import json
from copy import deepcopy
from typing import Any

import pytest

from retraining.evaluation import EvaluationError, no_evaluation, read_evaluation
from retraining.measured import Evaluation, Slice

EVALUATION: dict[str, Any] = {
    "run_id": "r1",
    "champion": {"package_arn": "arn", "sha256": "0", "dictionary_size": 10},
    "candidate": {"sha256": "1", "dictionary_size": 10},
    "slices": [
        {
            "name": "handwriting",
            "kind": "new",
            "lines": 4,
            "available": 9,
            "unreadable": [],
            "champion": {"exact_match": 0.5, "milliseconds_per_line": 3.0},
            "candidate": {"exact_match": 0.75, "milliseconds_per_line": 4.0},
            "paired": {
                "both_right": 2,
                "only_champion_right": 0,
                "only_candidate_right": 1,
                "both_wrong": 1,
            },
        }
    ],
    "seconds": {"champion": 1.0, "candidate": 1.0},
}


def changed(path: str, value: object) -> bytes:
    """Return the evaluation with one value replaced; "slices.0.lines" is a path."""
    document = deepcopy(EVALUATION)
    *parents, last = path.split(".")
    place: Any = document
    for each in parents:
        place = place[int(each) if each.isdecimal() else each]
    place[last] = value
    return json.dumps(document).encode()


def refusal(content: bytes, run_id: str = "r1") -> str:
    with pytest.raises(EvaluationError) as caught:
        read_evaluation(content, run_id)
    text = str(caught.value)
    assert text.startswith(f"evaluation.json of run {run_id} ")
    assert text.endswith("queue the run's datasets again with `ocr-retrain retry NAME`.")
    return text


def test_an_evaluation_is_read_as_slices() -> None:
    found = read_evaluation(json.dumps(EVALUATION).encode(), "r1")
    assert found == Evaluation(
        (
            Slice(
                "handwriting",
                "new",
                2,
                0,
                1,
                1,
                champion_milliseconds=3.0,
                candidate_milliseconds=4.0,
            ),
        )
    )


@pytest.mark.parametrize("path", ["more", "slices.0.more", "slices.0.paired.more", "champion.more"])
def test_fields_that_are_not_known_change_nothing(path: str) -> None:
    found = read_evaluation(changed(path, {"x": 1}), "r1")
    assert found == read_evaluation(json.dumps(EVALUATION).encode(), "r1")


def test_an_evaluation_without_champion_counts_the_candidate_alone() -> None:
    document = json.loads(changed("champion", {"package_arn": "arn", "error": "It is damaged."}))
    document["slices"][0] |= {"champion": None, "paired": None}
    found = read_evaluation(json.dumps(document).encode(), "r1")
    (part,) = found.slices
    assert found.champion_error == "It is damaged."
    assert (part.has_champion, part.lines, part.candidate) == (False, 4, 0.75)
    assert found.latency is None


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("slices.0.lines", -1, "slices.0.lines"),
        ("slices.0.lines", float("nan"), "slices.0.lines"),
        ("slices.0.paired.both_wrong", -4, "slices.0.paired.both_wrong"),
        ("slices.0.paired.both_wrong", 1.5, "slices.0.paired.both_wrong"),
        ("slices.0.candidate.exact_match", float("nan"), "slices.0.candidate.exact_match"),
        ("slices.0.candidate.exact_match", 1.5, "slices.0.candidate.exact_match"),
        (
            "slices.0.candidate.milliseconds_per_line",
            float("inf"),
            "slices.0.candidate.milliseconds_per_line",
        ),
        ("slices.0.candidate", None, "slices.0.candidate"),
        ("slices.0.kind", "strange", "slices.0.kind"),
        ("slices", None, "slices"),
    ],
)
def test_a_malformed_evaluation_is_refused_with_the_place(
    path: str, value: object, where: str
) -> None:
    assert f"is malformed at {where}: " in refusal(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("slices.0.lines", 40),
        ("slices.0.paired.both_wrong", 10),
        ("slices.0.paired", None),
        ("slices.0.champion", None),
        ("champion", {"package_arn": "arn", "error": "It is damaged."}),
    ],
)
def test_an_evaluation_that_contradicts_itself_is_refused(path: str, value: object) -> None:
    assert "contradicts itself: handwriting has " in refusal(changed(path, value))


@pytest.mark.parametrize("length", [1, 100, 400])
def test_an_evaluation_that_is_cut_off_is_refused(length: int) -> None:
    assert "is damaged or cut off" in refusal(json.dumps(EVALUATION).encode()[:length])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"<Error><Code>AccessDenied</Code></Error>", "is damaged or cut off"),
        (b"\xff\xfe\x00", "is damaged or cut off"),
        (b"[]", "is malformed at the document"),
        (b"[" * 100_000, "is damaged or cut off"),
    ],
)
def test_what_is_no_json_object_is_refused(content: bytes, reason: str) -> None:
    assert reason in refusal(content)


def test_an_evaluation_of_another_run_is_refused() -> None:
    assert "is of run 'r1'" in refusal(json.dumps(EVALUATION).encode(), "r2")


def test_a_missing_evaluation_has_an_error_that_says_what_to_do() -> None:
    assert str(no_evaluation("r1")).startswith("evaluation.json of run r1 is missing. Look at")
