"""The local cloud's rules that need no running cloud."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from localcloud import moto_version
from localcloud.build_store import BuildStore, content_hash
from localcloud.cloudformation import coerce
from localcloud.context import LocalImage
from localcloud.eventbridge_input import UnsupportedPathError, target_input
from localcloud.eventbridge_schedules import (
    ScheduleClock,
    UnsupportedScheduleError,
    interval_seconds,
)
from localcloud.eventbridge_targets import as_delivered
from localcloud.images import ImagesFileError, load_images
from localcloud.s3_events import Sequencer
from localcloud.s3_policy import applies
from localcloud.sqs_pollers import failed_items
from localcloud.stepfunctions_jsonata import evaluate
from localcloud.stepfunctions_sagemaker import error_name


def test_another_moto_is_refused_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    moto_version.require_pinned_moto()
    monkeypatch.setattr(moto_version, "version", lambda name: "5.2.6")

    with pytest.raises(
        moto_version.WrongMotoVersionError, match=r"needs moto 5\.2\.5, but 5\.2\.6"
    ):
        moto_version.require_pinned_moto()


EVENT = {"detail": {"text": 'a "b"', "list": [{"n": 1}], "number": 2}, "source": "s"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"fixed": true}'}, {"fixed": True}),
        ({"InputPath": "$.detail.list[0].n"}, 1),
        ({"InputPath": "$.detail.missing"}, None),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"t": "$.detail.text", "n": "$.detail.number"},
                    "InputTemplate": '{"quoted": "it is <t>", "bare": <t>, "number": <n>}',
                }
            },
            {"quoted": 'it is a "b"', "bare": 'a "b"', "number": 2},
        ),
        (
            {"InputTransformer": {"InputTemplate": '{"all": <aws.events.event.json>}'}},
            {"all": EVENT},
        ),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"l": "$.detail.list"},
                    "InputTemplate": '"list <l> and <unknown>"',
                }
            },
            'list [{"n": 1}] and <unknown>',
        ),
    ],
)
def test_a_target_gets_what_its_input_settings_say(
    target: dict[str, Any], expected: object
) -> None:
    assert json.loads(target_input(target, EVENT)) == expected


@pytest.mark.parametrize("path", ["detail", "$.detail[*].n", "$..n"])
def test_an_input_path_that_is_not_understood_is_refused(path: str) -> None:
    with pytest.raises(UnsupportedPathError):
        target_input({"InputPath": path}, EVENT)


def test_an_event_is_delivered_with_aws_s_time_and_no_fields_of_moto() -> None:
    event = {
        "id": "1",
        "detail-type": "t",
        "source": "s",
        "account": "a",
        "region": "r",
        "detail": {},
        "time": 1714564800.5,
        "ingestion-time": 1.0,
    }

    delivered = as_delivered(event)

    assert delivered["time"] == "2024-05-01T12:00:00Z"
    assert delivered["resources"] == []
    assert "ingestion-time" not in delivered


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("null", set()),
        ("", set()),
        ("{}", set()),
        ('{"batchItemFailures": []}', set()),
        ('{"batchItemFailures": null}', set()),
        ('{"batchItemFailures": [{"itemIdentifier": "b"}]}', {"b"}),
        ('{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', {"a", "b"}),
        ('{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        ('{"batchItemFailures": [{}]}', {"a", "b"}),
        ('{"batchItemFailures": "b"}', {"a", "b"}),
        ('"text"', {"a", "b"}),
        ("not json", {"a", "b"}),
    ],
)
def test_a_batch_s_answer_says_which_messages_failed(answer: str, expected: set[str]) -> None:
    assert failed_items(answer.encode(), ["a", "b"]) == expected


def test_rates_are_understood_and_other_schedules_refused() -> None:
    assert interval_seconds("rate(1 minute)") == 60
    assert interval_seconds("rate(15 minutes)") == 900
    assert interval_seconds("rate(2 days)") == 172800
    for wrong in ("cron(0 12 * * ? *)", "rate(0 minutes)", "rate(5)", "at(2030-01-01T00:00:00)"):
        with pytest.raises(UnsupportedScheduleError):
            interval_seconds(wrong)


def test_a_scheduled_rule_fires_after_each_interval_and_not_while_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fired: list[dict[str, Any]] = []
    rule = SimpleNamespace(
        arn="arn:rule", scheduled_expression="rate(1 minute)", state="ENABLED",
        send_scheduled=fired.append,
    )  # fmt: skip
    other = SimpleNamespace(arn="arn:other", scheduled_expression=None, state="ENABLED")
    bus = SimpleNamespace(rules={"rule": rule, "other": other})
    backend = SimpleNamespace(event_buses={"default": bus})
    monkeypatch.setattr(
        "localcloud.eventbridge_schedules.events_backends", {"1": {"us-east-1": backend}}
    )
    clock = ScheduleClock("1", "us-east-1")

    for moment in (0.0, 59.0, 60.0, 61.0, 119.0, 121.0):
        clock.tick(moment)
    assert len(fired) == 2
    assert fired[0]["detail-type"] == "Scheduled Event"
    assert fired[0]["source"] == "aws.events"
    assert fired[0]["resources"] == ["arn:rule"]

    rule.state = "DISABLED"
    clock.tick(200.0)
    rule.state = "ENABLED"
    clock.tick(201.0)
    clock.tick(260.0)
    assert len(fired) == 2
    clock.tick(261.0)
    assert len(fired) == 3


def test_sequencers_grow_and_have_equal_length() -> None:
    sequencer = Sequencer()

    numbers = [sequencer.next() for _ in range(1000)]

    assert numbers == sorted(set(numbers))
    assert {len(number) for number in numbers} == {16}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"Bool": {"aws:SecureTransport": False}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, False),
    ],
)
def test_policy_statements_apply_to_encrypted_requests(condition: Any, expected: bool) -> None:
    statement = {"Effect": "Deny"} | ({"Condition": condition} if condition else {})

    assert applies(statement) is expected


def test_loose_template_values_become_what_the_api_takes() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    shape = model.operation_model("CreateFunction").input_shape

    coerced = coerce(
        {
            "Timeout": "60",
            "Publish": "true",
            "Environment": {"Variables": {"A": 1, "B": True, "C": "c"}},
            "Layers": ["one", None],
        },
        shape,
    )

    assert coerced == {
        "Timeout": 60,
        "Publish": True,
        "Environment": {"Variables": {"A": "1", "B": "true", "C": "c"}},
        "Layers": ["one"],
    }


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ValidationException", "SageMaker.AmazonSageMakerException"),
        ("ThrottlingException", "SageMaker.AmazonSageMakerException"),
        ("ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        ("ResourceInUse", "SageMaker.ResourceInUseException"),
        ("ResourceNotFound", "SageMaker.ResourceNotFoundException"),
        ("ConflictException", "SageMaker.ConflictException"),
    ],
)
def test_sagemaker_errors_are_named_as_step_functions_names_them(code: str, name: str) -> None:
    assert error_name(code) == name


def test_integers_stay_integers_and_singletons_stay_lists() -> None:
    assert evaluate("10 / 2") == 5
    assert isinstance(evaluate("10 / 2"), int)
    assert evaluate('($a := {"l": [1]}; $a.l)') == [1]


def test_the_repository_s_images_are_a_runtime_and_the_image_s_own_programs() -> None:
    repo = Path(__file__).resolve().parents[4]

    images = load_images(repo / "local" / "images.yaml", repo)

    by_name = {image.name: image for image in images.values()}
    assert set(by_name) == {"training", "inference", "quick"}
    training = by_name["training"]
    assert training.path_prefix == (
        repo / "containers" / "training" / "bin",
        repo / ".runtimes" / "training" / "bin",
    )
    assert by_name["inference"].env["SERVE_HOST"] == "127.0.0.1"


def test_a_malformed_images_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "images.yaml"
    with pytest.raises(ImagesFileError, match="is missing"):
        load_images(file, tmp_path)
    file.write_text("images: {a: {name: x, path: [], colour: red}}")
    with pytest.raises(ImagesFileError, match="colour"):
        load_images(file, tmp_path)


def test_an_image_s_processes_see_its_own_environment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    image = LocalImage("x", (Path("/image/bin"),), {"COLOUR": "red"}, (Path("/a"), Path("/b")))

    environment = image.environment()

    assert environment["PATH"].split(":")[0] == "/image/bin"
    assert environment["PYTHONPATH"] == "/a:/b"
    assert environment["COLOUR"] == "red"
    assert "AWS_PROFILE" not in environment


def test_a_build_is_made_once_and_only_complete_ones_are_kept(tmp_path: Path) -> None:
    store, made = BuildStore(tmp_path / "store"), []

    def make(directory: Path) -> None:
        made.append(directory)
        (directory / "file").write_text("x")

    def fail(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise RuntimeError("failed")

    assert (store.get("a", make) / "file").read_text() == "x"
    assert store.get("a", make) == store.get("a", make)
    assert len(made) == 1
    with pytest.raises(RuntimeError, match="failed"):
        store.get("b", fail)
    assert (store.get("b", make) / "file").exists()
    assert not list((tmp_path / "store").glob("*/half"))


def test_a_content_hash_changes_with_names_contents_and_permissions(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "__pycache__").mkdir(parents=True)
    (code / "a.py").write_text("1")
    hashes = [content_hash([code]), content_hash([code], "other")]
    (code / "__pycache__" / "a.pyc").write_text("ignored")
    assert content_hash([code]) == hashes[0]
    (code / "a.py").write_text("2")
    hashes.append(content_hash([code]))
    (code / "a.py").chmod(0o755)
    hashes.append(content_hash([code]))
    (code / "a.py").rename(code / "b.py")
    hashes.append(content_hash([code]))

    assert len(set(hashes)) == 5
