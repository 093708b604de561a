from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ocr_retrain.connection import Cloud
from ocr_retrain.main import execute

from .fakes import RUN, FakeExecution, FakeStepFunctions, load_events

VERDICT = {
    "promote": True,
    "headline": "Better on handwriting, nothing got worse.",
    "reasons": ["handwriting gains 40.2 points on 200 lines.", "general keeps its 92 %."],
    "slices": [
        {
            "name": "handwriting",
            "kind": "new",
            "lines": 200,
            "champion_exact_match": 0.491,
            "candidate_exact_match": 0.893,
            "difference": 0.402,
            "p_value": 0.00001,
            "passed": True,
            "sentence": "",
        },
        {
            "name": "general",
            "kind": "golden",
            "lines": 300,
            "champion_exact_match": 0.93,
            "candidate_exact_match": 0.925,
            "difference": -0.005,
            "passed": True,
            "sentence": "",
        },
    ],
}
PROMOTED = {
    "outcome": "Promoted",
    "run_id": RUN,
    "package_arn": "arn:package/2",
    "reason": VERDICT["headline"],
    "verdict": {
        "promote": True,
        "headline": VERDICT["headline"],
        "verdict": f"s3://labelled-data/runs/{RUN}/verdict.json",
    },
    "validation": {
        "train_lines": 900,
        "new_character_count": 2,
        "new_characters_first": ["A", "B"],
        "rare_character_count": 1,
        "rare_characters_first": ["Q"],
        "character_notes": [
            "2 new characters: 'A', 'B'; 'B' has the fewest train lines (12).",
            "1 character not learnt: 'Q' (2 usable train lines hold it, 10 are needed).",
        ],
        "report": f"s3://labelled-data/runs/{RUN}/validation.json",
        "problems": [{"code": "missing_image", "count": 2, "first": ["images/7.png"]}],
    },
}


@pytest.fixture
def promoted(connected: Cloud) -> FakeExecution:
    connected.s3.put_object(
        Bucket="labelled-data", Key=f"runs/{RUN}/verdict.json", Body=json.dumps(VERDICT)
    )
    return FakeExecution(
        RUN, [load_events("training"), load_events("promoted")], output=json.dumps(PROMOTED)
    )


@pytest.fixture
def deployment() -> FakeExecution:
    return FakeExecution(
        f"{RUN}-deploy-0", [load_events("deploying")], state_machine="ocr-retrain-deploy"
    )


def test_running_run_is_shown_until_it_is_promoted(
    executions: FakeStepFunctions,
    promoted: FakeExecution,
    deployment: FakeExecution,
    capsys: pytest.CaptureFixture[str],
) -> None:
    executions.executions += [promoted, deployment]

    assert execute(["watch"]) == 0

    captured = capsys.readouterr()
    assert f"Run {RUN}" in captured.err
    assert "✓ Fine-tune recognizer" in captured.err
    assert "      ✓ Update endpoint" in captured.err
    assert "Promoted" in captured.out
    assert "49.1 %" in captured.out
    assert "+40.2" in captured.out
    assert "-0.5" in captured.out
    assert "<0.001" in captured.out
    assert "handwriting gains 40.2 points on 200 lines." in captured.out
    assert "• 2 new characters: 'A', 'B'; 'B' has the fewest train lines (12)." in captured.out
    assert "• 1 character not learnt: 'Q' (2 usable train lines" in captured.out
    assert "missing image: 2 (images/7.png)" in captured.out
    assert f"s3://labelled-data/runs/{RUN}/validation.json" in captured.out
    assert f"\nWhat you can do next:\n  ocr-retrain report {RUN}   opens" in captured.out
    assert "\x1b" not in captured.out + captured.err


def test_json_has_outcome_verdict_validation_and_states(
    executions: FakeStepFunctions,
    promoted: FakeExecution,
    deployment: FakeExecution,
    capsys: pytest.CaptureFixture[str],
) -> None:
    executions.executions += [promoted, deployment]

    assert execute(["watch", "--run", RUN, "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["outcome"] == "Promoted"
    assert answer["exit_code"] == 0
    assert answer["verdict"]["slices"][0]["name"] == "handwriting"
    assert answer["validation"]["problems"][0]["count"] == 2
    assert answer["validation"]["new_character_count"] == 2
    assert answer["validation"]["rare_characters_first"] == ["Q"]
    assert answer["next_steps"][-1]["command"] == "ocr-retrain rollback"
    paths = [state["path"] for state in answer["states"]]
    assert ["Deploy endpoint", "Update endpoint"] in paths


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("SUCCEEDED", "Awaiting approval", 10),
        ("SUCCEEDED", "Rejected", 11),
        ("SUCCEEDED", "Nothing to train", 12),
        ("FAILED", "Failed", 13),
        ("ABORTED", "Aborted", 13),
        ("TIMED_OUT", "Timed out", 13),
    ],
)
def test_each_outcome_has_its_exit_code(
    executions: FakeStepFunctions,
    capsys: pytest.CaptureFixture[str],
    status: str,
    outcome: str,
    code: int,
) -> None:
    output = json.dumps({"outcome": outcome, "reason": "Because of that."})
    executions.executions.append(
        FakeExecution(
            RUN, [load_events("failed")], status=status, output=output, cause="Because of that."
        )
    )

    assert execute(["watch", "--run", RUN]) == code

    out = capsys.readouterr().out
    assert outcome in out
    assert "Because of that." in out


def test_next_run_is_awaited_when_none_runs(
    executions: FakeStepFunctions,
    promoted: FakeExecution,
    deployment: FakeExecution,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = FakeExecution("20261119-080000-aaaaaa", [load_events("failed")], looks=1)
    executions.executions += [before, deployment]
    executions.arriving.append(promoted)

    assert execute(["watch"]) == 0

    error = capsys.readouterr().err
    assert "Nothing runs now (the last run, 20261119-080000-aaaaaa" in error
    assert f"Run {RUN}" in error


def test_no_run_before_the_timeout_exits_with_14(
    executions: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["watch", "--timeout", "0"]) == 14
    assert "No run began before the timeout." in capsys.readouterr().err


def test_run_that_outlasts_the_timeout_exits_with_14_and_goes_on(
    executions: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    executions.executions.append(FakeExecution(RUN, [load_events("training")], status="RUNNING"))

    assert execute(["watch", "--timeout", "0"]) == 14

    assert f"ocr-retrain watch --run {RUN}" in capsys.readouterr().err


def test_unknown_run_is_an_error_in_one_line(
    executions: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["watch", "--run", "nonsense"]) == 1
    assert "There is no run nonsense" in capsys.readouterr().err


def test_missing_verdict_does_not_hide_the_outcome(
    executions: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    output = json.dumps(
        {"outcome": "Rejected", "verdict": {"verdict": "s3://labelled-data/runs/x/verdict.json"}}
    )
    executions.executions.append(FakeExecution(RUN, [load_events("failed")], output=output))

    assert execute(["watch", "--run", RUN]) == 11
    assert "The verdict cannot be shown" in capsys.readouterr().err


def test_runs_lists_outcome_datasets_and_reason_newest_first(
    executions: FakeStepFunctions,
    promoted: FakeExecution,
    capsys: pytest.CaptureFixture[str],
) -> None:
    promoted.looks = 2
    running = FakeExecution(
        "20261121-070000-bbbbbb",
        [load_events("training")],
        status="RUNNING",
        started=promoted.started + timedelta(days=1),
    )
    executions.executions += [promoted, running]

    assert execute(["runs", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [run["outcome"] for run in runs] == ["Running", "Promoted"]
    assert runs[1]["datasets"] == ["receipts-week-46"]
    assert runs[1]["reason"] == VERDICT["headline"]

    assert execute(["runs"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if RUN in line)
    assert "Promoted" in row
    assert "20 min 00 s" in row
    assert "receipts-week-46" in row


def test_empty_history_says_how_to_begin(
    executions: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["runs"]) == 0
    assert "ocr-retrain drop DIR" in capsys.readouterr().err
