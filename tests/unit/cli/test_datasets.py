"""datasets, golden, retry, pause and resume, on a ledger as the functions keep it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from ocr_retrain.connection import Cloud
from ocr_retrain.main import execute
from retraining.ledger_items import DatasetLines, Decided, Golden, Run, Seen
from retraining.outcomes import DatasetState, Outcome

RUN = "20261120-091402-3fa9c1"
NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


@dataclass
class FakeLambda:
    """The function that starts runs."""

    work: Callable[[], None] = lambda: None
    error: str = ""
    invoked: list[dict[str, object]] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, object]:
        assert FunctionName == "ocr-retrain-start-retraining"
        self.invoked.append(json.loads(Payload))
        if self.error:
            answer = io.BytesIO(self.error.encode())
            return {"FunctionError": "Unhandled", "Payload": answer}
        self.work()
        return {"Payload": io.BytesIO(b"{}")}


@pytest.fixture
def function(connected: Cloud) -> FakeLambda:
    fake = FakeLambda()
    connected.__dict__["lambda_"] = fake
    return fake


@pytest.fixture
def trained(connected: Cloud) -> Cloud:
    """One dataset that was trained, one that waits."""
    ledger = connected.ledger
    ledger.record_upload(Seen("meters", "labels/train.txt", "e1", "01", 100, "v1"), NOW)
    (upload,) = ledger.uploads_of("meters")
    ledger.record_line_count(upload, 12)
    ledger.begin_run(Run(RUN, "arn", ("meters",), NOW), ledger.datasets())
    ledger.record_lines(DatasetLines("meters", "t", "h", 8, 2), RUN, NOW)
    ledger.take_upload("meters", "labels/train.txt", read_etag="e1", known_etag="e1", run_id=RUN)
    package = "arn:aws:sagemaker:eu-west-1:210987654321:model-package/ocr-retrain/4"
    ledger.end_run(RUN, ["meters"], Outcome("Promoted", DatasetState.TRAINED, "", package, NOW))
    ledger.release_lock(RUN)
    ledger.record_upload(Seen("plates", "labels/train.txt", "e2", "02", 100, "v1"), NOW)
    ledger.note_decision(Decided("wait", "3 of 9 new lines.", ("plates",), "", "2026"))
    return connected


def report(cloud: Cloud) -> None:
    found = {
        "run_id": RUN,
        "datasets": [
            {
                "name": "meters",
                "label_lines": 12,
                "train_lines": 8,
                "holdout_lines": 2,
                "unused_lines": {"missing_image": 2},
            }
        ],
        "problems": [
            {
                "code": "missing_image",
                "count": 3,
                "first": ["meters/labels/train.txt:3: images/3.png", "other/labels/a.txt:1: b.png"],
            }
        ],
        "problems_uri": "s3://labelled-data/problems.jsonl",
    }
    key = f"runs/{RUN}/validation.json"
    cloud.s3.put_object(Bucket="labelled-data", Key=key, Body=json.dumps(found).encode())


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_datasets_are_listed_with_state_counts_run_model_and_reason(
    trained: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["datasets"]) == 0
    rows = [row.strip() for row in capsys.readouterr().out.splitlines()]
    (meters,) = (row.split() for row in rows if row.startswith("meters"))
    (plates,) = (row for row in rows if row.startswith("plates"))
    assert meters == ["meters", "trained", "-", "8", "2", RUN, "4"]
    assert "waiting" in plates
    assert "3 of 9 new lines." in plates


def test_datasets_are_told_as_json(trained: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["datasets", "--json"]) == 0
    meters, plates = json.loads(capsys.readouterr().out)
    assert (meters["state"], meters["model_version"], meters["run_id"]) == ("trained", 4, RUN)
    assert (plates["state"], plates["new_lines"]) == ("waiting", None)


def test_one_dataset_is_shown_with_its_files_and_its_report(
    trained: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    report(trained)
    assert execute(["datasets", "meters"]) == 0
    text = told(capsys)
    assert "labels/train.txt 12 v1 e1" in text
    assert f"Run {RUN} found 12 label lines: 8 to train on, 2 held out." in text
    assert "2 missing_image" in text
    assert "missing_image: meters/labels/train.txt:3: images/3.png" in text
    assert "other/" not in text
    assert "s3://labelled-data/problems.jsonl" in text


def test_one_dataset_is_told_as_json(trained: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    report(trained)
    assert execute(["datasets", "meters", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["uploads"][0]["taken_etag"] == "e1"
    assert found["validation"]["unused_lines"] == {"missing_image": 2}


def test_a_dataset_without_a_report_is_shown_all_the_same(
    trained: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["datasets", "plates"]) == 0
    assert "not yet" in told(capsys)


def test_an_unknown_dataset_is_an_error_that_says_what_to_do(
    connected: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["datasets", "nothing"]) == 1
    assert "There is no dataset nothing: `ocr-retrain datasets`" in capsys.readouterr().err


def test_no_dataset_yet_says_what_to_do(
    connected: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["datasets"]) == 0
    assert "ocr-retrain drop DIR" in capsys.readouterr().err


def test_golden_sets_are_listed(connected: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["golden"]) == 0
    assert "golden/<name>/" in capsys.readouterr().err
    connected.ledger.record_golden(Golden("general", "receiving", "2 are missing.", lines=300))
    assert execute(["golden"]) == 0
    assert "general receiving 300" in told(capsys)
    assert execute(["golden", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["reason"] == "2 are missing."


def test_retry_queues_a_dataset_and_looks_for_a_run(
    trained: Cloud, function: FakeLambda, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin() -> None:
        trained.ledger.begin_run(Run("r2", "arn", ("meters",), NOW), trained.ledger.datasets())

    function.work = begin
    assert execute(["retry", "meters"]) == 0
    assert told(capsys) == ("meters is queued again. Run r2 goes on; `ocr-retrain watch` shows it.")
    assert function.invoked == [{"detail-type": "Scheduled Event", "source": "ocr-retrain"}]


def test_retry_refuses_what_is_unknown_or_in_a_run(
    trained: Cloud, function: FakeLambda, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["retry", "nothing"]) == 1
    trained.ledger.begin_run(Run("r2", "arn", ("meters",), NOW), trained.ledger.datasets())
    assert execute(["retry", "meters"]) == 1
    errors = capsys.readouterr().err
    assert "There is no dataset nothing" in errors
    assert "meters is in run r2" in errors
    assert function.invoked == []


def test_a_function_that_fails_is_an_error_in_one_line(
    trained: Cloud, function: FakeLambda, capsys: pytest.CaptureFixture[str]
) -> None:
    function.error = '{"errorMessage": "Rate exceeded."}'
    assert execute(["retry", "meters"]) == 1
    assert "start-retraining failed: Rate exceeded. The schedule" in capsys.readouterr().err


def test_pause_holds_runs_back_until_resume(
    trained: Cloud, function: FakeLambda, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["pause", "--reason", "new labels on Monday"]) == 0
    pause = trained.ledger.paused()
    assert pause
    assert pause.reason == "new labels on Monday"
    assert execute(["datasets"]) == 0
    assert "(new labels on Monday); `ocr-retrain resume` ends it." in capsys.readouterr().err
    assert function.invoked == []
    assert execute(["resume"]) == 0
    assert trained.ledger.paused() is None
    assert len(function.invoked) == 1
    assert execute(["resume"]) == 0
    assert "Runs may begin again. 3 of 9 new lines. Runs were not paused." in told(capsys)
