"""What is announced of runs and deployments: to people, to machines, once, whatever happens."""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from pydantic import ValidationError

from retraining import announcing_request as requests
from retraining import s3_layout
from retraining.announcing import Announcer, AnnouncingError
from retraining.announcing_events import event_of
from retraining.announcing_facts import Facts
from retraining.announcing_gathering import gather
from retraining.announcing_metrics import measurements_of
from retraining.announcing_record import AnnouncingRecord
from retraining.announcing_text import LONGEST_SUBJECT, Message, compose
from retraining.metrics import Dimension, Metric, dimension_value
from retraining.storage import Bucket
from retraining.texts import duration

from .conftest import ACCOUNT, BUCKET, EVENTS, MACHINE, NOW, REGION, RUN, TABLE, client, event, put

STARTED = NOW - timedelta(minutes=12, seconds=40)
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:ocr-retrain-retrain:{RUN}"
DEPLOYMENT = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:ocr-retrain-deploy:d-1"
PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/ocr-retrain/7"
REPORT = f"s3://{BUCKET}/runs/{RUN}/report.html"
SLICES = [
    {
        "name": "handwriting",
        "kind": "new",
        "lines": 250,
        "champion_exact_match": 0.832,
        "candidate_exact_match": 0.952,
        "difference": 0.12,
        "passed": True,
        "sentence": "handwriting (new data): better.",
    },
    {
        "name": "general",
        "kind": "golden",
        "lines": 300,
        "champion_exact_match": 1.0,
        "candidate_exact_match": 0.97,
        "difference": -0.03,
        "passed": False,
        "sentence": "general (golden set): worse.",
    },
]
VALIDATION = {
    "train_lines": 1234,
    "holdout_lines": 250,
    "character_notes": ["2 new characters: 'é' U+00E9, '€' U+20AC."],
    "problems": [{"code": "missing_image", "count": 12, "first": ["labels/train.txt:3 a.png"]}],
}


def run_end(outcome: str = "Promoted", **changed: Any) -> dict[str, Any]:
    """What the Retrain state machine gives at its end."""
    given: dict[str, Any] = {
        "machine": "retrain",
        "execution_arn": EXECUTION,
        "started_at": STARTED.isoformat(),
        "entered_at": "2026-11-22T10:28:25.000Z",
        "run_id": RUN,
        "datasets": ["handwriting"],
        "report": {"report_uri": REPORT, "estimated_cost": 0.213},
        "result": {
            "outcome": outcome,
            "run_id": RUN,
            "reason": "Promoted: 95.2 % of the new lines are read exactly instead of 83.2 %.",
            "package_arn": PACKAGE,
            "verdict": {"promote": True, "reasons": ["Luck does not explain this."]},
            "validation": VALIDATION,
        },
    }
    return {**given, **changed}


def deployment_end(outcome: str = "Serving", **changed: Any) -> dict[str, Any]:
    """What the Deploy state machine gives at its end."""
    return {
        "machine": "deploy",
        "execution_arn": DEPLOYMENT,
        "started_at": STARTED.isoformat(),
        "entered_at": "2026-11-22T10:28:25.000Z",
        "input": {"detail": {"ModelApprovalStatus": "Approved"}},
        "result": {
            "outcome": outcome,
            "endpoint_name": "ocr-retrain",
            "package_arn": PACKAGE,
            "package_version": 7,
            "reason": "20 of 20 golden lines are read exactly.",
        },
        **changed,
    }


def facts_of(given: dict[str, Any], bucket: Bucket) -> Facts:
    return gather(requests.read(given), bucket, NOW)


def message(given: dict[str, Any], bucket: Bucket) -> Message:
    return compose(facts_of(given, bucket), "ocr-retrain")


@pytest.fixture
def evaluated(bucket: Bucket) -> Bucket:
    """A run that got as far as a verdict."""
    bucket.write_json(s3_layout.verdict(RUN), {"promote": True, "slices": SLICES})
    champion = PACKAGE.replace("/7", "/6")
    bucket.write_json(s3_layout.plan(RUN), {"champion_package_arn": champion})
    return bucket


# --- the message


def test_a_person_reads_what_came_of_a_run_why_and_what_to_do(evaluated: Bucket) -> None:
    told = message(run_end(), evaluated)
    assert told.subject == f"ocr-retrain: Promoted, run {RUN}"
    assert told.body == (
        "Promoted: 95.2 % of the new lines are read exactly instead of 83.2 %.\n"
        "\n"
        f"Run:       {RUN}, 12 min 40 s, until 2026-11-22 10:15 UTC\n"
        "Datasets:  handwriting\n"
        "Model:     version 7, trained from 6\n"
        "Jobs cost: about 0.21 USD\n"
        "\n"
        "Lines read exactly, before -> after:\n"
        "  - handwriting (new, 250 lines): 83.2 % -> 95.2 % (+12.0 points)\n"
        "  - general (golden, 300 lines): 100.0 % -> 97.0 % (-3.0 points, not good enough)\n"
        "\n"
        "Why:\n"
        "  - Luck does not explain this.\n"
        "\n"
        "New characters:\n"
        "  - 2 new characters: 'é' U+00E9, '€' U+20AC.\n"
        "\n"
        "Data: 1,234 lines to train on, 250 held out. Set aside:\n"
        "  - missing image: 12 (first: labels/train.txt:3 a.png)\n"
        "\n"
        "What you can do next:\n"
        f"  - ocr-retrain report {RUN}   "
        "opens the report: every number, and lines as pictures\n"
        "  - ocr-retrain rollback   serves the version before again\n"
        "\n"
        f"Report:    https://console.aws.amazon.com/s3/object/{BUCKET}?region={REGION}"
        f"&prefix=runs/{RUN}/report.html\n"
        f"           {REPORT}\n"
        f"Execution: https://console.aws.amazon.com/states/home?region={REGION}"
        f"#/v2/executions/details/{EXECUTION}\n"
    )


@pytest.mark.parametrize(
    ("outcome", "commands"),
    [
        ("Awaiting approval", ["ocr-retrain approve 7", "ocr-retrain reject 7 --reason '...'"]),
        ("Rejected", [f"ocr-retrain report {RUN}", "ocr-retrain retry handwriting"]),
        ("Nothing to train", ["ocr-retrain datasets handwriting"]),
        ("Waiting for more data", ["ocr-retrain datasets handwriting"]),
        ("Failed", ["ocr-retrain retry handwriting", f"ocr-retrain watch --run {RUN}"]),
        ("Timed out", ["ocr-retrain retry handwriting"]),
        ("Aborted", ["ocr-retrain retry handwriting"]),
    ],
)
def test_every_end_of_a_run_has_its_next_step(
    bucket: Bucket, outcome: str, commands: list[str]
) -> None:
    told = message(run_end(outcome), bucket)
    assert told.subject == f"ocr-retrain: {outcome}, run {RUN}"
    for command in commands:
        assert f"  - {command}   " in told.body


@pytest.mark.parametrize(
    ("outcome", "command"),
    [
        ("Serving", "ocr-retrain rollback"),
        ("Rolled back", "ocr-retrain approve 7"),
        (
            "Failed",
            "aws stepfunctions start-execution --state-machine-arn "
            f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ocr-retrain-deploy",
        ),
    ],
)
def test_every_end_of_a_deployment_has_its_next_step(
    bucket: Bucket, outcome: str, command: str
) -> None:
    told = message(deployment_end(outcome), bucket)
    assert told.subject == f"ocr-retrain: {outcome}, deployment of version 7"
    assert f"  - {command}   " in told.body


def test_a_failed_run_tells_what_is_known_of_it(bucket: Bucket) -> None:
    report = {**VALIDATION, "notes": VALIDATION["character_notes"], "run_id": RUN}
    bucket.write_json(s3_layout.validation_report(RUN), report)
    failed = {"outcome": "Failed", "reason": "CUDA out of memory."}
    told = message(run_end(result=failed), bucket)
    assert told.body.startswith("Failed: CUDA out of memory.\n")
    assert "Data: 1,234 lines to train on, 250 held out. Set aside:" in told.body
    assert "2 new characters" in told.body
    assert "before -> after" not in told.body


def test_a_run_without_anything_beside_it_is_told_as_well(bucket: Bucket) -> None:
    bare = run_end(result={"outcome": "Failed"}, report=None, datasets=[])
    told = message(bare, bucket)
    assert told.body.startswith("Failed: no reason was given.\n")
    assert "Report:" not in told.body
    assert "Execution: https://" in told.body


def test_files_of_another_shape_are_left_out(bucket: Bucket) -> None:
    put(s3_layout.verdict(RUN), json.dumps({"slices": [SLICES[0], {"name": 3}, "x"]}))
    put(s3_layout.plan(RUN), "[]")
    put(s3_layout.validation_report(RUN), "no JSON")
    facts = facts_of(run_end(result={"outcome": "Failed", "reason": "x"}), bucket)
    assert [each.name for each in facts.slices] == ["handwriting"]
    assert facts.train_lines is None


EVIL = "meters\nSubject: you won\r\n\u202egpj.exe\x1b[31m\u2028next"


def test_what_others_have_typed_stays_on_its_line(bucket: Bucket) -> None:
    calm, hostile = run_end("Rejected"), run_end("Rejected", datasets=[EVIL])
    slices = [{**SLICES[0], "name": EVIL}]
    bucket.write_json(s3_layout.verdict(RUN), {"slices": slices})
    hostile["result"] = {
        **hostile["result"],
        "reason": EVIL,
        "verdict": {"reasons": [EVIL]},
        "validation": {
            **VALIDATION,
            "character_notes": [EVIL],
            "problems": [{"code": EVIL, "count": 1, "first": [EVIL]}],
        },
    }
    told = message(hostile, bucket)
    assert not [line for line in told.body.splitlines() if line.startswith(("Subject:", "next"))]
    assert not {each for each in told.body if each != "\n" and not each.isprintable()}
    assert len(told.body.splitlines()) == len(message(calm, bucket).body.splitlines())


@pytest.mark.parametrize("name", ["a; rm -rf ~", "it's $(x)", "-v"])
def test_a_command_with_a_strangers_name_runs_nothing_else(bucket: Bucket, name: str) -> None:
    told = message(run_end("Failed", datasets=[name]), bucket)
    (line,) = [each for each in told.body.splitlines() if "ocr-retrain retry" in each]
    command, _, _ = line.removeprefix("  - ").partition("   ")
    words = shlex.split(command)
    assert words[:2] == ["ocr-retrain", "retry"]
    assert words[2:] in ([name], ["--", name])


def test_a_name_that_nobody_can_type_is_in_no_command(bucket: Bucket) -> None:
    told = message(run_end("Failed", datasets=["zero\u200bwidth"]), bucket)
    assert "ocr-retrain retry" not in told.body
    assert "  - ocr-retrain datasets   " in told.body


@pytest.mark.parametrize("run_id", ["x" * 300, "läufer\n2", ""])
def test_a_run_id_given_by_hand_is_not_believed(bucket: Bucket, run_id: str) -> None:
    told = message(run_end(run_id=run_id), bucket)
    assert f"run {RUN}" in told.subject
    assert f"ocr-retrain report {RUN}   " in told.body


def test_the_message_fits_sns_whatever_a_run_holds(bucket: Bucket) -> None:
    long = "界" * 5_000
    slices = [{**SLICES[0], "name": f"{long}{index}"} for index in range(300)]
    bucket.write_json(s3_layout.verdict(RUN), {"slices": slices})
    problems = [{"code": long, "count": 10**9, "first": [long] * 20} for _ in range(100)]
    big = run_end(long, datasets=[long] * 200)
    big["result"] = {
        "outcome": long,
        "reason": long,
        "verdict": {"reasons": [long] * 200},
        "validation": {**VALIDATION, "character_notes": [long] * 200, "problems": problems},
    }
    told = message(big, bucket)
    assert len(told.body.encode()) < 200_000
    assert len(told.subject) <= LONGEST_SUBJECT
    assert told.subject.isascii()
    assert told.subject.isprintable()


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-central-1", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(
    bucket: Bucket, partition: str, region: str, host: str
) -> None:
    arn = f"arn:{partition}:states:{region}:{ACCOUNT}:execution:ocr-retrain-retrain:{RUN}"
    told = message(run_end(execution_arn=arn), bucket)
    links = [each for each in told.body.split() if each.startswith("https://")]
    assert len(links) == 2
    assert all(each.startswith(f"https://{host}/") for each in links)
    assert all(f"region={region}" in each for each in links)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (760, "12 min 40 s"), (7260, "2 h 01 min")],
)
def test_durations_have_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# --- the event


def test_machines_get_the_event_that_is_documented(evaluated: Bucket) -> None:
    facts = facts_of(run_end(), evaluated)
    made = event_of(facts, "ocr-retrain")
    sample = json.loads((EVENTS / "ocr_retraining_finished.json").read_text(encoding="utf-8"))
    assert made.detail_type == sample["detail-type"]
    assert list(made.resources) == sample["resources"]
    assert json.loads(made.detail) == sample["detail"]


def test_the_event_of_a_deployment_is_the_one_that_is_documented(bucket: Bucket) -> None:
    made = event_of(facts_of(deployment_end(), bucket), "ocr-retrain")
    sample = json.loads((EVENTS / "ocr_endpoint_deployed.json").read_text(encoding="utf-8"))
    assert made.detail_type == sample["detail-type"]
    assert list(made.resources) == sample["resources"]
    assert json.loads(made.detail) == sample["detail"]


# --- the metrics


def test_a_run_measures_its_outcome_its_lines_and_every_slice_by_version(
    evaluated: Bucket,
) -> None:
    measured = measurements_of(facts_of(run_end(), evaluated))
    assert measured[0].values == {Metric.RUNS: 1}
    assert measured[0].dimensions == {Dimension.OUTCOME: "Promoted"}
    assert measured[1].values == {
        Metric.RUN_SECONDS: 760.0,
        Metric.TRAIN_LINES: 1234,
        Metric.HOLDOUT_LINES: 250,
        Metric.SET_ASIDE: 12,
        Metric.ESTIMATED_COST: 0.213,
    }
    accuracies = [
        (*each.dimensions.values(), each.values[Metric.EXACT_MATCH]) for each in measured[2:]
    ]
    assert accuracies[:4] == [
        ("new/handwriting", "champion", 83.2),
        ("new/handwriting", "6", 83.2),
        ("new/handwriting", "candidate", 95.2),
        ("new/handwriting", "7", 95.2),
    ]
    assert len(accuracies) == 8


def test_what_nobody_knows_is_not_measured(bucket: Bucket) -> None:
    failed = run_end(result={"outcome": "Failed"}, report=None)
    measured = measurements_of(facts_of(failed, bucket))
    assert [set(each.values) for each in measured] == [{Metric.RUNS}, {Metric.RUN_SECONDS}]


@pytest.mark.parametrize("name", ["门牌", "a\nb", ":x", "  ", "", "é" * 500, "new/plain"])
def test_any_name_becomes_a_dimension_that_cloudwatch_takes(name: str) -> None:
    value = dimension_value(name)
    assert value.isascii()
    assert value.isprintable()
    assert 0 < len(value) <= 255
    assert value.strip()
    assert not value.startswith(":")


def test_slices_of_other_scripts_stay_apart() -> None:
    assert dimension_value("门牌") != dimension_value("电表")


# --- announcing, as a whole


class Boxes:
    """What arrived: messages at a queue that is subscribed to the topic, events at another."""

    def __init__(self, topic: str, messages: str, events: str) -> None:
        self.topic, self._messages, self._events = topic, messages, events

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self._read(self._messages)]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self._read(self._events)]

    @staticmethod
    def _read(url: str) -> list[str]:
        answer = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [each["Body"] for each in answer.get("Messages", [])]


@pytest.fixture
def boxes(aws: None) -> Boxes:
    sqs, topic = client("sqs"), client("sns").create_topic(Name="ocr-retrain")["TopicArn"]
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("messages", "events")]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}:messages")
    pattern = json.dumps({"source": ["ocr-retrain"]})
    client("events").put_rule(Name="announced", EventPattern=pattern)
    target = {"Id": "events", "Arn": f"{arn}:events"}
    client("events").put_targets(Rule="announced", Targets=[target])
    return Boxes(topic, *urls)


@pytest.fixture
def measured() -> list[Any]:
    return []


@pytest.fixture
def announcer(boxes: Boxes, bucket: Bucket, measured: list[Any]) -> Announcer:
    return Announcer(
        stack="ocr-retrain",
        topic_arn=boxes.topic,
        bucket=bucket,
        topics=client("sns"),
        events=client("events"),
        record=AnnouncingRecord(boto3.resource("dynamodb").Table(TABLE)),
        measure=measured.append,
    )


def test_the_end_of_a_run_is_one_message_one_event_and_metrics(
    announcer: Announcer, boxes: Boxes, measured: list[Any]
) -> None:
    made = announcer.announce(requests.read(run_end()), NOW)
    assert made == ("message", "event", "metrics")
    (sent,), (put_event,) = boxes.messages(), boxes.events()
    assert sent["Subject"] == f"ocr-retrain: Promoted, run {RUN}"
    assert sent["MessageAttributes"]["outcome"]["Value"] == "Promoted"
    assert put_event["source"] == "ocr-retrain"
    assert put_event["detail-type"] == "OCR Retraining Finished"
    assert len(measured) == 1


def test_a_second_attempt_announces_nothing_twice(
    announcer: Announcer, boxes: Boxes, measured: list[Any]
) -> None:
    announcer.announce(requests.read(run_end()), NOW)
    assert announcer.announce(requests.read(run_end()), NOW) == ()
    assert len(boxes.messages()) == len(boxes.events()) == len(measured) == 1


def test_a_run_that_was_taken_up_again_is_announced_again(
    announcer: Announcer, boxes: Boxes
) -> None:
    announcer.announce(requests.read(run_end("Failed")), NOW)
    again = run_end("Failed", entered_at="2026-11-23T08:00:00.000Z")
    assert "message" in announcer.announce(requests.read(again), NOW)
    assert len(boxes.messages()) == 2


def test_a_deployment_of_a_run_is_an_event_and_no_second_message(
    announcer: Announcer, boxes: Boxes
) -> None:
    nested = {"requested_by": RUN, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": EXECUTION}
    made = announcer.announce(requests.read(deployment_end(input=nested)), NOW)
    assert made == ("event", "metrics")
    assert boxes.messages() == []
    (told,) = boxes.events()
    assert told["detail-type"] == "OCR Endpoint Deployed"
    assert told["detail"]["run_id"] == RUN


def test_a_deployment_that_an_approval_started_sends_its_own_message(
    announcer: Announcer, boxes: Boxes
) -> None:
    announcer.announce(requests.read(deployment_end()), NOW)
    (sent,) = boxes.messages()
    assert sent["Subject"] == "ocr-retrain: Serving, deployment of version 7"
    assert "20 of 20 golden lines" in sent["Message"]


class Failing:
    """A client of which one call fails."""

    def __init__(self, action: str) -> None:
        self._action = action

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(**_: object) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, name)

        assert name == self._action
        return fail


def with_(announcer: Announcer, **changed: Any) -> Announcer:
    return Announcer(**{**vars(announcer), **changed})


def test_what_fails_is_made_by_the_next_attempt_and_the_rest_is_not_repeated(
    announcer: Announcer, boxes: Boxes, measured: list[Any]
) -> None:
    broken = with_(announcer, topics=Failing("publish"))
    with pytest.raises(AnnouncingError, match=r"message: .*slow down"):
        broken.announce(requests.read(run_end()), NOW)
    assert len(boxes.events()) == len(measured) == 1
    assert announcer.announce(requests.read(run_end()), NOW) == ("message",)
    assert len(boxes.messages()) == 1


def test_an_event_that_is_refused_keeps_no_message_back(announcer: Announcer, boxes: Boxes) -> None:
    class Refusing:
        def put_events(self, **_: object) -> dict[str, Any]:
            entry = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Too many."}
            return {"FailedEntryCount": 1, "Entries": [entry]}

    with pytest.raises(AnnouncingError, match="ThrottlingException: Too many"):
        with_(announcer, events=Refusing()).announce(requests.read(run_end()), NOW)
    assert len(boxes.messages()) == 1


def test_a_ledger_that_cannot_be_reached_keeps_no_message_back(
    announcer: Announcer, boxes: Boxes
) -> None:
    gone = AnnouncingRecord(boto3.resource("dynamodb").Table("gone"))
    with_(announcer, record=gone).announce(requests.read(run_end()), NOW)
    assert len(boxes.messages()) == 1


def test_a_bucket_that_cannot_be_read_keeps_no_message_back(
    announcer: Announcer, boxes: Boxes
) -> None:
    lost = Bucket(Failing("get_object"), BUCKET)  # type: ignore[arg-type]
    with_(announcer, bucket=lost).announce(requests.read(run_end()), NOW)
    (sent,) = boxes.messages()
    assert "1,234 lines to train on" in sent["Message"]


# --- what was cut off


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        ("TIMED_OUT", "Timed out", "The execution took longer than its time limit."),
        ("ABORTED", "Aborted", "The execution was stopped by hand."),
    ],
)
def test_an_execution_that_was_cut_off_is_told_of_by_eventbridge(
    status: str, outcome: str, reason: str
) -> None:
    given = event("step_functions_execution_failed.json")
    given["detail"] |= {"status": status, "cause": None, "error": None}
    read = requests.read(given)
    assert (read.machine, read.run_id) == ("retrain", RUN)
    assert read.datasets == ["handwriting"]
    assert (read.result.outcome, read.result.reason) == (outcome, reason)
    assert read.started_at == datetime.fromtimestamp(1795342545.12, UTC)


def test_a_deployment_that_was_cut_off_with_its_run_sends_no_message(
    announcer: Announcer, boxes: Boxes
) -> None:
    given = event("step_functions_execution_failed.json")
    given["detail"] |= {
        "status": "ABORTED",
        "stateMachineArn": MACHINE.replace("-retrain-retrain", "-retrain-deploy"),
        "executionArn": DEPLOYMENT,
        "input": json.dumps({"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": EXECUTION}),
    }
    assert announcer.announce(requests.read(given), NOW) == ("event", "metrics")
    assert boxes.messages() == []


@pytest.mark.parametrize("wrong", [{}, {"machine": "train"}, {"detail": {"status": "ABORTED"}}])
def test_what_is_no_end_of_an_execution_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        requests.read(wrong)


# --- the handler


def test_the_handler_announces_and_publishes_metrics(
    boxes: Boxes,
    invoke: Callable[[str, dict[str, Any]], Any],
    evaluated: Bucket,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    answer = invoke("announce_result", run_end())
    assert answer == {"announced": ["message", "event", "metrics"]}
    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines() if '"_aws"' in row]
    (runs,) = [row for row in rows if "Runs" in row]
    assert runs["Outcome"] == "Promoted"
    assert runs["Stack"] == "ocr-retrain"
    assert runs["service"] == "announce_result"
    (about,) = runs["_aws"]["CloudWatchMetrics"]
    assert about["Namespace"] == "OcrRetrain"
    assert about["Metrics"] == [{"Name": "Runs", "Unit": "Count"}]
    assert sorted(about["Dimensions"][0]) == ["Outcome", "Stack", "service"]
    assert len(boxes.messages()) == 1
