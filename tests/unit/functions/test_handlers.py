"""What holds for all handlers and for the package as a whole."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from retraining import arrivals, names
from retraining.evaluation import EvaluationError
from retraining.settings import Settings, SettingsError
from retraining.state_changes import StatusChange

from .conftest import BUCKET, ENVIRONMENT, EVENTS, RUN, event, get, put
from .test_evaluation import EVALUATION

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
FUNCTIONS = Path(__file__).parents[3] / "functions"
HANDLERS = sorted(FUNCTIONS.glob("*.py"))
PURE = [
    "announcing_events",
    "announcing_facts",
    "announcing_links",
    "announcing_metrics",
    "announcing_next_steps",
    "announcing_request",
    "announcing_text",
    "archive_members",
    "archive_streams",
    "archives",
    "archives_tar",
    "archives_zip",
    "chance",
    "character_check",
    "character_findings",
    "characters",
    "coverage",
    "decision",
    "dictionary",
    "endpoint_faults",
    "evaluation",
    "failure",
    "holdout",
    "image_faults",
    "images",
    "label_files",
    "label_paths",
    "label_rows",
    "ledger_items",
    "lines",
    "measured",
    "metrics",
    "names",
    "new_characters",
    "normalization",
    "outcomes",
    "package_request",
    "page_boxes",
    "plan_lines",
    "planning",
    "problems",
    "promotion",
    "s3_layout",
    "settings",
    "texts",
    "undownloadable",
    "validation_report",
    "verdict_sentences",
    "workspace",
]


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_know_nothing_of_aws(name: str) -> None:
    used = imported(FUNCTIONS / "retraining" / f"{name}.py")
    own = {each.partition(".")[2] for each in used if each.startswith("retraining.")}
    assert not any(each.split(".")[0] in {"boto3", "botocore"} for each in used)
    assert own <= set(PURE)


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.stem)
def test_handlers_are_short_and_make_no_clients(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
    assert not any(each.startswith(("boto3", "botocore")) for each in imported(path))


def test_there_is_one_module_per_function() -> None:
    assert [path.stem for path in HANDLERS] == [
        "announce_result",
        "begin_pipeline_run",
        "check_images",
        "clean_up",
        "explain_failure",
        "find_approved",
        "find_out_why",
        "finish_validation",
        "judge_candidate",
        "plan_training",
        "register_model",
        "scale_endpoint",
        "smoke_test",
        "start_retraining",
        "take_stock",
        "unpack_archives",
        "validate_dataset",
        "write_report",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "unpack_archives",
        "validate_dataset",
        "check_images",
        "finish_validation",
        "plan_training",
        "judge_candidate",
    ],
)
def test_a_request_of_another_shape_is_refused(invoke: Invoke, name: str) -> None:
    with pytest.raises(ValidationError):
        invoke(name, {"run_id": ""})


def test_a_failure_is_explained(invoke: Invoke) -> None:
    detail = event("step_functions_execution_failed.json")["detail"]
    request = {"run_id": RUN, "error": detail["error"], "cause": detail["cause"]}
    answer = invoke("explain_failure", request)
    assert answer["reason"].endswith("names no backbone; register a complete model.")
    assert answer["detail"] == detail["cause"]


def test_a_failure_without_a_cause_is_explained_too(invoke: Invoke) -> None:
    answer = invoke("explain_failure", {"error": "States.Timeout", "cause": None})
    assert answer == {
        "reason": "A step took longer than its time limit.",
        "detail": "States.Timeout",
    }


def test_a_candidate_is_judged_and_the_verdict_kept(invoke: Invoke) -> None:
    evaluation = json.loads(json.dumps(EVALUATION))
    evaluation["run_id"] = RUN
    evaluation["slices"][0]["lines"] = 200
    evaluation["slices"][0]["paired"] = {
        "both_right": 90,
        "only_champion_right": 8,
        "only_candidate_right": 93,
        "both_wrong": 9,
    }
    put(f"runs/{RUN}/evaluation/evaluation.json", json.dumps(evaluation))
    answer = invoke("judge_candidate", {"run_id": RUN})
    assert answer["promote"] is True
    assert answer["verdict"] == f"s3://{BUCKET}/runs/{RUN}/verdict.json"
    verdict = json.loads(get(f"runs/{RUN}/verdict.json"))
    assert {key: answer[key] for key in ("promote", "headline", "reasons")} == {
        key: verdict[key] for key in ("promote", "headline", "reasons")
    }
    assert verdict["slices"][0]["name"] == "handwriting"
    assert verdict["policy"]["max_drop"] == 0.01


def test_without_an_evaluation_the_error_says_what_to_do(invoke: Invoke) -> None:
    with pytest.raises(EvaluationError, match="is missing. Look at the log of the run's"):
        invoke("judge_candidate", {"run_id": RUN})


# --- events as AWS sends them


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_events_have_the_envelope_of_eventbridge(path: Path) -> None:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    bodies = [json.loads(each["body"]) for each in loaded.get("Records", [])] or [loaded]
    for body in bodies:
        assert set(body) == {
            "version",
            "id",
            "detail-type",
            "source",
            "account",
            "time",
            "region",
            "resources",
            "detail",
        }


def test_the_upload_event_is_understood() -> None:
    parsed = arrivals.ObjectCreated.model_validate(event("s3_object_created.json"))
    assert parsed.detail.object.key == "incoming/handwriting/labels/train.txt"
    assert parsed.detail.bucket.name == BUCKET


@pytest.mark.parametrize("name", ["succeeded", "failed"])
def test_the_end_of_an_execution_is_understood(name: str) -> None:
    parsed = StatusChange.model_validate(event(f"step_functions_execution_{name}.json"))
    assert parsed.detail.status == name.upper()
    assert names.run_of_execution(parsed.detail.execution_arn) == parsed.detail.name == RUN


# --- settings


def test_the_environment_is_read_with_its_defaults() -> None:
    settings = Settings.from_environment(ENVIRONMENT)
    assert (settings.holdout_percent, settings.min_slice_lines) == (15, 20)
    assert settings.hyperparameters == {}
    assert settings.require_approval is False


def test_hyperparameters_become_text() -> None:
    given = {"HYPERPARAMETERS": '{"epochs": 3, "recipe": "head", "fast": true, "lr": 0.001}'}
    settings = Settings.from_environment({**ENVIRONMENT, **given})
    assert settings.hyperparameters == {
        "epochs": "3",
        "recipe": "head",
        "fast": "true",
        "lr": "0.001",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUCKET", ""),
        ("HOLDOUT_PERCENT", "90"),
        ("MIN_GAIN", "much"),
        ("HYPERPARAMETERS", "[1]"),
        ("HYPERPARAMETERS", "{"),
        ("PREFIX", "Has Spaces"),
    ],
)
def test_an_environment_that_cannot_be_used_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({**ENVIRONMENT, name: value})
