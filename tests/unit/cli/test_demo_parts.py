from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ocr_retrain.demo_checks import Measured, shortcomings
from ocr_retrain.demo_evidence import Evidence
from ocr_retrain.demo_report import SampleReading, conclusion
from ocr_retrain.model_registry import EndpointState
from ocr_retrain.narration import Narrator
from ocr_retrain.outcome import Outcome, RunResult
from ocr_retrain.verdicts import SliceVerdict, Verdict

NEW = SliceVerdict(
    name="handwriting", kind="new", lines=250,
    champion_exact_match=0.5, candidate_exact_match=0.9, difference=0.4, passed=True,
)  # fmt: skip
GOLDEN = SliceVerdict(
    name="general", kind="golden", lines=300,
    champion_exact_match=0.93, candidate_exact_match=0.92, difference=-0.01, passed=True,
)  # fmt: skip
GOOD = Measured(
    outcome=Outcome.PROMOTED,
    reason="Better.",
    slices=(NEW, GOLDEN),
    executions=1,
    new_package="arn:2",
    endpoint=EndpointState("InService", "config", "arn:2"),
)


def test_kept_promises_have_no_shortcomings() -> None:
    assert shortcomings(GOOD) == []


@pytest.mark.parametrize(
    ("measured", "sentence"),
    [
        (replace(GOOD, outcome=Outcome.REJECTED), "The run ended as Rejected: Better."),
        (replace(GOOD, executions=2), "One drop must start one run, but it started 2."),
        (replace(GOOD, slices=(GOLDEN,)), "The new data was not evaluated."),
        (replace(GOOD, slices=(NEW,)), "The golden set was not evaluated."),
        (
            replace(GOOD, slices=(NEW.model_copy(update={"candidate_exact_match": 0.84}), GOLDEN)),
            "handwriting is read 84.0 % exactly, less than the 85.0 % promised.",
        ),
        (
            replace(GOOD, slices=(NEW, GOLDEN.model_copy(update={"candidate_exact_match": 0.91}))),
            "Golden set general fell from 93.0 % to 91.0 %.",
        ),
        (
            replace(GOOD, endpoint=EndpointState("InService", "config", "arn:1")),
            "The endpoint does not serve the new version.",
        ),
        (
            replace(GOOD, endpoint=EndpointState("Updating", "config", "arn:2")),
            "The endpoint is Updating.",
        ),
        (replace(GOOD, endpoint=None), "There is no endpoint."),
    ],
)
def test_broken_promise_is_told_in_one_sentence(measured: Measured, sentence: str) -> None:
    assert shortcomings(measured) == [sentence]


def test_last_page_shows_verdict_samples_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    page = conclusion(
        RunResult("run-1", Outcome.PROMOTED, "Better.", ("handwriting",), None),
        Verdict(promote=True, headline="Better.", reasons=["One.", "Two."], slices=[NEW, GOLDEN]),
        [SampleReading("1.png", "[bold]41", "4l", "[bold]41")],
        Evidence((("verdict", "s3://bucket/runs/run-1/verdict.json"),), Path("/results")),
        183.0,
    )
    Console(width=120).print(page)

    out = capsys.readouterr().out
    for expected in ("50.0 %", "+40.0", "• Two.", "✗ 4l", "✓ [bold]41", "3 min 03 s", "/results"):
        assert expected in out
    assert "s3://bucket/runs/run-1/verdict.json" in out


def test_narrator_numbers_steps_and_times_them(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 3.5, 4.0])
    narrator = Narrator(2, clock=lambda: next(times))
    with narrator.step("Begin"):
        narrator.say("It began.")

    assert capsys.readouterr().err == "\n[1/2] Begin\n      It began.\n      2.5 s\n"
    assert narrator.seconds() == 4.0
