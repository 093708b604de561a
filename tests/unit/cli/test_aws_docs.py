"""What README.md, docs/aws.md and docs/cost.md say about AWS is done here, in moto."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from tools.list_costs import tables

from ocr_retrain.installation import machine
from ocr_retrain.installation.account import Account
from ocr_retrain.installation.findings import fine
from ocr_retrain.main import execute

from .installing import QUOTAS, answer_quotas, make_account

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PART = README[README.index("## Deploy to AWS") : README.index("## What local mode does not prove")]
AWS = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
COST = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
CHANGING = (["deploy"], ["destroy"], ["images", "build"])


def _shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def _commands(text: str) -> list[list[str]]:
    words = [shlex.split(line, comments=True) for line in _shell_lines(text)]
    return [line[1:] for line in words if line[0] == "ocr-retrain"]


COMMANDS = list(dict.fromkeys(tuple(words) for words in (*_commands(PART), *_commands(AWS))))


@pytest.fixture
def account(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(machine, "_check_sam", lambda repository: fine("SAM CLI", "there."))
    with mock_aws():
        made = make_account(session)
        for module in ("deploy", "images", "destroy", "doctor"):
            monkeypatch.setattr(f"ocr_retrain.commands.{module}.connect_account", lambda: made)
        answer_quotas(made, QUOTAS)
        yield made


def test_the_documents_hold_commands() -> None:
    assert {words[0] for words in COMMANDS} == {"doctor", "deploy", "destroy", "images"}
    assert len(_commands(PART)) >= 3


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_of_the_documents_works(
    account: Account, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = list(words)
    if any(arguments[: len(name)] == name for name in CHANGING) and "--dry-run" not in arguments:
        arguments.append("--dry-run")

    assert execute(arguments) == 0, capsys.readouterr().err
    assert account.cloudformation.describe_stacks()["Stacks"] == []


def test_every_command_that_the_text_names_exists(capsys: pytest.CaptureFixture[str]) -> None:
    named = re.findall(r"`ocr-retrain ([a-z]+(?: build| list| up| down)?)", PART + AWS + COST)
    assert named
    for words in set(named):
        assert execute([*words.split(), "--help"]) == 0, words


def test_every_option_that_the_table_names_exists(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["deploy", "--help"])
    told = capsys.readouterr().out
    named = re.findall(r"^\| `(--[a-z-]+)", AWS, re.MULTILINE)
    assert len(named) >= 5
    assert [option for option in named if option not in told] == []


@pytest.mark.parametrize("text", [AWS, COST])
def test_every_file_the_documents_link_to_exists(text: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_the_costs_are_those_of_the_templates(device: str) -> None:
    month, _, run = tables(device).partition("\n\n")
    rows = [line.strip() for line in COST.splitlines()]
    missing = [line for line in month.splitlines() if line not in rows]
    if device == "gpu":
        missing += [line for line in run.splitlines() if line not in rows]
    assert missing == [], "run tools/list_costs.py and paste what it prints into docs/cost.md"
