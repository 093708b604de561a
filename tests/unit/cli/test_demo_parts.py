from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from ocr_retrain.connection import Cloud
from ocr_retrain.demo_checks import Measured, shortcomings
from ocr_retrain.demo_evidence import Evidence, save_evidence
from ocr_retrain.demo_report import SampleReading, conclusion, evidence_lines, samples_table
from ocr_retrain.executions import Execution
from ocr_retrain.follow import Snapshot
from ocr_retrain.history import read_history
from ocr_retrain.model_registry import EndpointState
from ocr_retrain.narration import Narrator
from ocr_retrain.outcome import Outcome, RunResult
from ocr_retrain.verdicts import SliceVerdict, Verdict
from ocr_retrain.watching import Watched

from .fakes import ARN, DEPLOY, RUN, FakeExecution, FakeStepFunctions, load_events

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DEPLOYER = "ocr-retrain-deploy"
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


def test_last_page_shows_verdict_and_samples(capsys: pytest.CaptureFixture[str]) -> None:
    page = conclusion(
        RunResult("run-1", Outcome.PROMOTED, "Better.", ("handwriting",), None),
        Verdict(promote=True, headline="Better.", reasons=["One.", "Two."], slices=[NEW, GOLDEN]),
        [SampleReading("1.png", "[bold]41", "4l", "[bold]41")],
    )
    Console(width=120).print(page)

    out = capsys.readouterr().out
    for expected in ("50.0 %", "+40.0", "• Two.", "✗ 4l", "✓ [bold]41"):
        assert expected in out


def test_samples_read_otherwise_than_before_are_shown_and_the_others_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = [SampleReading(f"same-{number}.png", "7", "7", "7") for number in range(20)]
    lost = SampleReading("lost.png", "41", "41", "4l")
    won = SampleReading("won.png", "42", "4z", "42")

    Console(width=120).print(samples_table([*same, won, lost]))

    rows = [line for line in capsys.readouterr().out.split("\n") if ".png" in line]
    assert ["lost.png" in rows[0], "won.png" in rows[1], len(rows)] == [True, True, 12]
    Console(width=120).print(samples_table([won, lost, *same]))
    assert "and reads 10 of the 10 others exactly." in capsys.readouterr().out


def test_places_are_one_line_each() -> None:
    uri = "s3://bucket/runs/run-1/verdict.json"
    lines = evidence_lines(Evidence((("verdict", uri),), Path("/results")))

    assert [line.plain for line in lines] == [
        "Where everything lies:",
        f"  verdict        {uri}",
        "  downloaded to  /results",
    ]


@pytest.fixture
def watched() -> Watched:
    execution = Execution(f"{ARN}:execution:ocr-retrain-retrain:{RUN}", RUN, "SUCCEEDED", NOW, NOW)
    history = read_history(load_events("promoted"))
    snapshot = Snapshot(execution, history, {DEPLOY: history}, {})
    return Watched(snapshot, RunResult(RUN, Outcome.PROMOTED, "", (), None), None)


def test_evidence_outlives_the_cloud_and_replaces_what_an_earlier_demo_left(
    connected: Cloud, executions: FakeStepFunctions, watched: Watched, tmp_path: Path
) -> None:
    executions.executions += [
        FakeExecution(RUN, [load_events("promoted")]),
        FakeExecution(f"{RUN}-deploy-0", [load_events("deploying")], state_machine=DEPLOYER),
    ]
    connected.s3.put_object(Bucket="labelled-data", Key=f"runs/{RUN}/plan.json", Body=b"{}")
    image = tmp_path / "1.png"
    image.write_bytes(b"image")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "verdict.json").write_text("an earlier demo's")
    (folder / "mine.txt").write_text("not the demo's")

    evidence = save_evidence(
        connected, watched, [SampleReading("1.png", "a", "b", "a")], [(image, "a")], folder
    )

    assert evidence.uris == (("plan", f"s3://labelled-data/runs/{RUN}/plan.json"),)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert names == [
        "execution-deploy-1.json",
        "execution-retrain.json",
        "mine.txt",
        "plan.json",
        "readings.json",
        "samples/1.png",
    ]
    saved = json.loads((folder / "execution-retrain.json").read_text())
    assert saved["events"][0]["type"] == "ExecutionStarted"


def test_narrator_numbers_steps_and_times_them(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 3.5, 4.0])
    narrator = Narrator(2, clock=lambda: next(times))
    with narrator.step("Begin"):
        narrator.say("It began.")

    assert capsys.readouterr().err == "\n[1/2] Begin\n      It began.\n      2.5 s\n"
    assert narrator.seconds() == 4.0
