from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud import lifecycle
from localcloud.lifecycle import Connection
from ocr_retrain.main import execute

CONNECTION = Connection(
    endpoint_url="http://127.0.0.1:45678",
    pid=4711,
    region="us-east-1",
    account_id="123456789012",
    stack_name="ocr-retrain",
    outputs={"BucketName": "b"},
    started_at="2026-11-20T09:14:03+00:00",
)


class FakeLifecycle:
    """A local cloud that comes up and goes down without a process."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.parameters: dict[str, str] = {}
        self.failure = ""

    def start(
        self,
        home: Path,
        repo: Path,
        *,
        parameters: dict[str, str],
        bind_to_this_process: bool,
        on_progress: Callable[[str], None],
    ) -> Connection:
        if self.failure:
            raise lifecycle.StartError(self.failure)
        on_progress("creating 50 resources")
        self.parameters = parameters
        self.connection = CONNECTION
        return CONNECTION

    def stop(self, home: Path) -> bool:
        was_up, self.connection = self.connection is not None, None
        return was_up

    def status(self, home: Path) -> Connection | None:
        return self.connection


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLifecycle:
    made = FakeLifecycle()
    for name in ("start", "stop", "status"):
        monkeypatch.setattr(lifecycle, name, getattr(made, name))
    monkeypatch.setenv("OCR_RETRAIN_HOME", str(tmp_path / "home"))
    return made


def test_up_starts_once_with_the_parameters_given(
    fake: FakeLifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["local", "up", "--parameter", "Prefix=mine", "--parameter", "A=b=c"]) == 0
    assert fake.parameters == {"Prefix": "mine", "A": "b=c"}
    captured = capsys.readouterr()
    assert "The local cloud is up at http://127.0.0.1:45678" in captured.out
    assert "creating 50 resources" in captured.err

    assert execute(["local", "up"]) == 0
    assert "is up already" in capsys.readouterr().out


def test_cloud_that_does_not_start_is_told_with_its_last_words(
    fake: FakeLifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failure = "The local cloud did not start:\npackaging\nNo such template."

    assert execute(["local", "up"]) == 1

    error = capsys.readouterr().err
    assert "The local cloud did not start: No such template. (the whole log is" in error
    assert error.count("\n") == 1


def test_down_says_whether_there_was_one(
    fake: FakeLifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.connection = CONNECTION

    assert execute(["local", "down"]) == 0
    assert execute(["local", "down"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "The local cloud is down.",
        "No local cloud is up.",
    ]


def test_status_shows_where_it_is_and_exits_with_1_when_it_is_not_up(
    fake: FakeLifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["local", "status"]) == 1
    assert "No local cloud is up." in capsys.readouterr().out

    fake.connection = CONNECTION
    assert execute(["local", "status"]) == 0
    assert "BucketName = b" in capsys.readouterr().out
    assert execute(["local", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["endpoint_url"] == "http://127.0.0.1:45678"


def test_logs_prints_the_end_of_the_files_that_match(
    fake: FakeLifecycle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "home" / "log"
    directory.mkdir(parents=True)
    (directory / "cloud.log").write_text("one\ntwo\nthree\n")
    (directory / "lambda.log").write_text("four")

    assert execute(["local", "logs", "cloud", "-n", "2"]) == 0
    assert capsys.readouterr().out == f"==> {directory / 'cloud.log'} <==\ntwo\nthree\n"

    assert execute(["local", "logs"]) == 0
    assert capsys.readouterr().out.endswith("four\n")

    assert execute(["local", "logs", "nothing"]) == 1
    assert "There is no log file with 'nothing' in its name" in capsys.readouterr().err
