"""The state machines as texts: what people see in the console and what the template hands them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonata import Jsonata

ROOT = Path(__file__).resolve().parents[3]
ANNOUNCING = ("retrain", "deploy")
MACHINES = (*ANNOUNCING, "transcribe")
NAMED_OUTCOMES = {
    "Promoted",
    "Awaiting approval",
    "Rejected",
    "Nothing to train",
    "Waiting for more data",
    "Failed",
}
PROGRESS = """\
epoch=2/3 step=40/66 loss=1.2345 learning_rate=0.00035 images_per_second=81.2
epoch=2/3 dev_exact_match=0.8731 dev_lines=120
"""


def definition(name: str) -> dict[str, Any]:
    text = (ROOT / "statemachine" / f"{name}.asl.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize("machine", MACHINES)
def test_choices_are_questions_and_nothing_else_is(machine: str) -> None:
    for name, state in definition(machine)["States"].items():
        assert name.endswith("?") == (state["Type"] == "Choice"), name


@pytest.mark.parametrize("machine", ANNOUNCING)
def test_every_failure_is_explained_before_the_execution_fails(machine: str) -> None:
    states = definition(machine)["States"]
    failing = [name for name, state in states.items() if state["Type"] == "Fail"]
    assert len(failing) == 1
    sources = {
        name
        for name, state in states.items()
        for target in [state.get("Next"), *(each["Next"] for each in state.get("Catch", []))]
        if target == failing[0]
    }
    assert sources == {"Announce failure"}
    assert states["Explain failure"]["Next"] == "Announce failure"


def test_a_run_ends_only_in_a_named_outcome() -> None:
    states = definition("retrain")["States"]
    ends = {name for name, state in states.items() if state["Type"] in ("Succeed", "Fail")}
    assert ends == NAMED_OUTCOMES


def test_metric_definitions_match_the_trainers_progress_lines() -> None:
    state = definition("retrain")["States"]["Describe training job"]
    arguments = state["Assign"]["training_request"]
    found = {
        each["Name"]: re.findall(each["Regex"], PROGRESS)
        for each in arguments["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert found == {
        "loss": ["1.2345"],
        "learning_rate": ["0.00035"],
        "images_per_second": ["81.2"],
        "dev_exact_match": ["0.8731"],
        "epoch": ["2", "2"],
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_expressions_stay_short_enough_to_read_in_the_console(machine: str) -> None:
    text = json.dumps(definition(machine))
    expressions = re.findall(r"\{%(.*?)%\}", text)
    assert expressions
    assert max(map(len, expressions)) < 520


@pytest.mark.parametrize("machine", ANNOUNCING)
def test_announcing_never_changes_how_an_execution_ends(machine: str) -> None:
    states = definition(machine)["States"]
    announcing = [state for name, state in states.items() if name.startswith("Announce")]
    assert len(announcing) == 2
    for state in announcing:
        assert [each["ErrorEquals"] for each in state["Catch"]] == [["States.ALL"]]
        assert [each["Next"] for each in state["Catch"]] == [state["Next"]]
        assert state["Arguments"]["Payload"]["machine"] == machine


def test_the_list_of_shards_is_read_from_where_the_validation_says() -> None:
    reader = definition("retrain")["States"]["Check images"]["ItemReader"]
    key = reader["Arguments"]["Key"].removeprefix("{%").removesuffix("%}")
    expression = Jsonata(key.replace("${BucketName}", "labelled-data"))
    variables = expression.create_frame()
    uri = "s3://labelled-data/runs/r-1/images/shards.json"
    variables.bind("validation", {"image_shards_uri": uri})
    assert expression.evaluate(None, variables) == "runs/r-1/images/shards.json"


def test_every_shard_becomes_one_request_of_the_function_that_checks_it() -> None:
    state = definition("retrain")["States"]["Check images"]
    assert set(state["ItemSelector"]) == {"run_id", "shard"}
    (task,) = state["ItemProcessor"]["States"].values()
    assert task["Arguments"]["Payload"] == "{% $states.input %}"
    assert task["Retry"]
    # Nothing is tolerated: a shard that was not checked must not pass as checked.
    assert not {key for key in state if key.startswith("Tolerated")}


@pytest.mark.parametrize(
    ("served", "outcome", "reason"),
    [
        ({"package_arn": "arn:package/7"}, "Promoted", "Better."),
        ({"package_arn": "arn:package/6"}, "Rejected", "rejected or replaced"),
        ({"outcome": "Nothing approved"}, "Rejected", "rejected or replaced"),
    ],
)
def test_a_run_is_promoted_only_if_its_own_version_serves(
    served: dict[str, str], outcome: str, reason: str
) -> None:
    assigned = definition("retrain")["States"]["Deploy endpoint"]["Assign"]["result"]

    def told(name: str) -> str:
        expression = Jsonata(assigned[name].removeprefix("{%").removesuffix("%}"))
        variables = expression.create_frame()
        variables.bind("states", {"result": {"Output": served}})
        variables.bind("package", {"package_arn": "arn:package/7"})
        variables.bind("verdict", {"headline": "Better."})
        return str(expression.evaluate(None, variables))

    assert told("outcome") == outcome
    assert reason in told("reason")
