"""report: which run's, where it goes, and what is said when there is none."""

from __future__ import annotations

import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from ocr_retrain.connection import Cloud
from ocr_retrain.main import execute

from .fakes import FakeExecution, FakeStepFunctions

PAGE = b"<!DOCTYPE html><p>95.2 %"
OLD, NEW, GOING = "20261120-091402-3fa9c1", "20261121-101545-77be02", "20261122-101545-aa0101"


@pytest.fixture
def runs(executions: FakeStepFunctions) -> FakeStepFunctions:
    """Three runs, the newest one still going."""
    for day, name in enumerate((OLD, NEW, GOING)):
        status = "RUNNING" if name == GOING else "SUCCEEDED"
        started = datetime(2026, 11, 20 + day, tzinfo=UTC)
        executions.executions.append(FakeExecution(name, [], status=status, started=started))
    return executions


@pytest.fixture
def reported(connected: Cloud, runs: FakeStepFunctions) -> Cloud:
    key = f"runs/{OLD}/report.html"
    connected.s3.put_object(Bucket=connected.stack.bucket, Key=key, Body=PAGE)
    return connected


def test_the_latest_report_is_saved_and_its_place_printed(
    reported: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["report"]) == 0

    path = Path(capsys.readouterr().out.strip())
    assert path.name == f"{OLD}.html"
    assert path.read_bytes() == PAGE


def test_on_a_terminal_it_is_opened(reported: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("ocr_retrain.commands.report.is_interactive", lambda: True)
    monkeypatch.setattr(typer, "launch", opened.append)

    assert execute(["report", OLD]) == 0

    (uri,) = opened
    assert Path(urllib.parse.urlparse(uri).path).read_bytes() == PAGE


def test_it_is_saved_where_asked_and_not_opened(
    reported: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("ocr_retrain.commands.report.is_interactive", lambda: True)
    monkeypatch.setattr(typer, "launch", opened.append)

    assert execute(["report", OLD, "--output", str(tmp_path / "mine.html")]) == 0

    assert (tmp_path / "mine.html").read_bytes() == PAGE
    assert opened == []


def test_a_link_is_printed_when_asked_for(
    reported: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["report", OLD, "--link"]) == 0

    link = urllib.parse.urlparse(capsys.readouterr().out.strip())
    assert link.path.endswith(f"/runs/{OLD}/report.html")
    assert "Signature" in link.query


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (NEW, "the log /aws/lambda/ocr-retrain-write-report says why"),
        (GOING, "has no report yet: `ocr-retrain watch"),
        ("20260101-000000-000000", "There is no run 20260101-000000-000000"),
    ],
)
def test_without_a_report_the_reason_is_told(
    reported: Cloud, run: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["report", run]) == 1

    assert said in capsys.readouterr().err


def test_without_any_run_the_way_to_one_is_told(
    executions: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["report"]) == 1

    assert "`ocr-retrain drop DIR` starts a run" in capsys.readouterr().err


def test_a_file_and_a_link_at_once_are_refused(
    reported: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["report", OLD, "--link", "--output", str(tmp_path / "a.html")]) == 1

    assert "give one of them" in capsys.readouterr().err
