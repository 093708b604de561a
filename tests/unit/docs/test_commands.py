"""Every command that README.md and docs/ show exists, and takes what is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import botocore.session
import pytest
import typer
from botocore import xform_name
from typer.core import TyperGroup

from ocr_retrain.main import app
from pipelines.__main__ import _parser

ROOT = Path(__file__).resolve().parents[3]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Placeholders for what a reader knows; the AWS CLI's own commands are checked against botocore.
_SHELL = {"git", "source", "cd", "apt-get"}
COMMAND = typer.main.get_command(app)


def shown(path: Path) -> list[str]:
    """Tell the command lines of a document's consoles, continued lines joined."""
    lines: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        joined = re.sub(r"\\\n\s*", "", block)
        lines += [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
    return lines


def words_of(line: str) -> list[list[str]]:
    """Split a line into its commands, and those into words."""
    inner = re.search(r"\$\((.*)\)$", line)
    words = shlex.split(inner[1] if inner else line, comments=True)
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


SHOWN = [
    pytest.param(words, id=f"{path.stem}: {' '.join(words)[:60]}")
    for path in FILES
    for line in shown(path)
    for words in words_of(line)
]


def test_the_documents_show_commands() -> None:
    assert len(SHOWN) > 40


@pytest.mark.parametrize("words", SHOWN)
def test_every_command_that_is_shown_exists_and_takes_what_is_shown(words: list[str]) -> None:
    program, *arguments = words
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
        assert {each for each in arguments if "=" not in each} <= set(targets)
    elif program == "ocr-retrain":
        parse(arguments)
    elif program.endswith("python"):
        assert arguments[:2] == ["-m", "pipelines"]
        _parser().parse_args(arguments[2:])
    elif program == "aws":
        check_aws(arguments)
    else:
        assert program in _SHELL, f"nobody checks {program}"


def test_what_a_command_does_not_take_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["deploy", "--nonsense"])
    with pytest.raises(Exception, match="No such command"):
        parse(["nonsense"])
    with pytest.raises(AssertionError):
        check_aws(["sns", "subscribe", "--nonsense", "x"])


def parse(arguments: list[str]) -> None:
    """Have the arguments parsed as the command would, without running it."""
    command, name = COMMAND, "ocr-retrain"
    context = command.make_context(name, list(arguments))
    while isinstance(command, TyperGroup):
        found, chosen, arguments = command.resolve_command(context, list(arguments))
        assert chosen is not None, found
        command, name = chosen, str(found)
        context = command.make_context(name, list(arguments), parent=context)


def check_aws(arguments: list[str]) -> None:
    """Compare a command of the AWS CLI with the API: its operation and the names of its options."""
    service, operation, *options = arguments
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    members = {f"--{xform_name(name, '-')}" for name in shape.members} if shape else set()
    given = {each for each in options if each.startswith("--")}
    everywhere = {"--query", "--output", "--region", "--profile"}
    assert given <= members | everywhere | {"--notification-endpoint"}
