from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.testing import CliRunner

from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.main import app, execute

COMMANDS = [
    [],
    ["demo"],
    ["local"],
    ["local", "up"],
    ["local", "down"],
    ["local", "status"],
    ["local", "logs"],
    ["doctor"],
    ["deploy"],
    ["destroy"],
    ["images"],
    ["images", "build"],
    ["images", "list"],
    ["bootstrap"],
    ["drop"],
    ["watch"],
    ["runs"],
    ["datasets"],
    ["golden"],
    ["models"],
    ["approve"],
    ["reject"],
    ["rollback"],
    ["predict"],
    ["transcribe"],
    ["retry"],
    ["pause"],
    ["report"],
    ["resume"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "(none)")
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])

    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert " ".join(command) in result.output


def test_help_of_watch_documents_the_exit_codes() -> None:
    words = " ".join(CliRunner().invoke(app, ["watch", "--help"]).output.split())

    for code in ("10 awaiting approval", "11 rejected", "12 nothing to", "14 not over"):
        assert code in words


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["drop"], "Missing argument 'PATH'. `ocr-retrain drop --help` explains it."),
        (["nonsense"], "No such command 'nonsense'. `ocr-retrain --help` explains it."),
        (["runs", "--limit", "0"], "Invalid value for '--limit'"),
        (["predict", "--mode", "word", "a.png"], "Invalid value for '--mode'"),
        (["local", "up", "--parameter", "Prefix"], "'Prefix' is not of the form NAME=VALUE."),
    ],
)
def test_wrong_usage_is_one_line_and_status_1(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    if arguments[0] == "local":
        arguments = [*arguments, "--home", str(tmp_path)]

    assert execute(arguments) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (UserError("Do this.", ExitCode.FAILED), "Error: Do this.", 13),
        (NoCredentialsError(), "Error: Unable to locate credentials", 1),
        (
            ClientError({"Error": {"Code": "X", "Message": "Not\nallowed."}}, "DescribeStacks"),
            "Error: DescribeStacks was refused: Not allowed.",
            1,
        ),
        (KeyError("odd"), "Error: KeyError: 'odd' (OCR_RETRAIN_DEBUG=1 shows where)", 1),
    ],
)
def test_errors_are_one_line_without_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    line: str,
    status: int,
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.delenv("OCR_RETRAIN_DEBUG", raising=False)
    monkeypatch.setattr("ocr_retrain.commands.options.connect", fail)

    assert execute(["runs"]) == status
    assert capsys.readouterr().err == f"{line}\n"


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise UserError("Do this.")

    monkeypatch.setenv("OCR_RETRAIN_DEBUG", "1")
    monkeypatch.setattr("ocr_retrain.commands.options.connect", fail)

    with pytest.raises(UserError):
        execute(["runs"])


def test_interruption_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ocr_retrain.commands.options.connect", interrupt)

    assert execute(["runs"]) == 130


def test_module_runs_as_a_program() -> None:
    program = "import runpy; runpy.run_module('ocr_retrain', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0]={sys.path!r}; {program}", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "Drop labelled data" in done.stdout
