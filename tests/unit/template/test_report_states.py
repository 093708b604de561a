"""The report of a run: written on every path that has something to tell, and never in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
REPORTS = ("Write report", "Write report of nothing to train")


@pytest.fixture(scope="module")
def states() -> dict[str, Any]:
    text = (ROOT / "statemachine/retrain.asl.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["States"]
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_that_cannot_be_written_changes_nothing_but_the_link(
    states: dict[str, Any], name: str
) -> None:
    state = states[name]
    (catch,) = state["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert catch["Next"] == state["Next"]
    assert catch["Assign"] == {"report": {"report_uri": ""}}


def test_the_report_comes_between_the_verdict_and_what_follows_from_it(
    states: dict[str, Any],
) -> None:
    assert states["Judge candidate"]["Next"] == "Write report"
    assert states["Write report"]["Next"] == "Is the candidate better?"


def test_who_dropped_nothing_usable_gets_a_report_as_well(states: dict[str, Any]) -> None:
    assert states["Is there anything to train on?"]["Default"] == REPORTS[1]
    assert states[REPORTS[1]]["Next"] == "Announce result"


@pytest.mark.parametrize("name", ["Register model", "Register as rejected"])
def test_the_registry_learns_where_the_report_lies(states: dict[str, Any], name: str) -> None:
    assert states[name]["Arguments"]["Payload"]["report_uri"] == "{% $report.report_uri %}"


def test_the_report_is_given_the_jobs_that_ran(states: dict[str, Any]) -> None:
    payload = states["Write report"]["Arguments"]["Payload"]
    for job, state in (
        ("training", "Fine-tune recognizer"),
        ("evaluation", "Evaluate candidate and champion"),
    ):
        assert payload[f"{job}_job"] == f"{{% ${job}.job %}}"
        assert "job" in states[state]["Assign"][job]


@pytest.mark.parametrize("name", REPORTS)
def test_the_function_ends_before_the_state_does(states: dict[str, Any], name: str) -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    function = text[text.index("  WriteReportFunction:") :]
    timeout = int(function.split("Timeout: ", 1)[1].split("\n", 1)[0])
    assert timeout < states[name]["TimeoutSeconds"]
