import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from retraining.arrivals import ObjectCreated, record_arrival
from retraining.ledger_items import DatasetLines

from .conftest import BUCKET, MACHINE, client, event, item, png, put
from .memory_cloud import refusal

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
DATASET = "handwriting"
LABELS = f"incoming/{DATASET}/labels/train.txt"


def executions() -> list[dict[str, Any]]:
    service = client("stepfunctions")
    listed = service.list_executions(stateMachineArn=MACHINE)["executions"]
    return [dict(service.describe_execution(executionArn=each["executionArn"])) for each in listed]


def announce(key: str, sequencer: str = "00674052A2D5F1A3B4") -> dict[str, Any]:
    batch = event("sqs_s3_object_created.json")
    record = batch["Records"][0]
    body = json.loads(record["body"])
    body["detail"]["object"].update({"key": key, "sequencer": sequencer})
    record["body"] = json.dumps(body)
    batch["Records"] = [record]
    return batch


def end(status: str, run_id: str, output: dict[str, Any] | None = None) -> dict[str, Any]:
    name = "succeeded" if status == "SUCCEEDED" else "failed"
    change = event(f"step_functions_execution_{name}.json")
    arn = f"{MACHINE.replace('stateMachine', 'execution')}:{run_id}"
    change["detail"].update({"name": run_id, "executionArn": arn, "status": status})
    if output is not None:
        change["detail"]["output"] = json.dumps(output)
    return change


# --- the handler, with events as AWS sends them


def test_two_uploads_in_one_batch_start_one_run_of_both_datasets(invoke: Invoke) -> None:
    put(LABELS, "images/a.png\t1\n")
    put("incoming/meters/labels/train.txt", "images/a.png\t1\n")
    answer = invoke("start_retraining", event("sqs_s3_object_created.json"))
    assert answer == {"batchItemFailures": []}
    (started,) = executions()
    given = json.loads(started["input"])
    assert given == {"run_id": started["name"], "datasets": ["handwriting", "meters"]}
    assert item("RUN", started["name"])["datasets"] == ["handwriting", "meters"]  # type: ignore[index]
    assert item("LOCK", "retrain")["execution_arn"] == started["executionArn"]  # type: ignore[index]


def test_the_same_event_again_starts_nothing_more(invoke: Invoke) -> None:
    put(LABELS, "images/a.png\t1\n")
    for _ in range(3):
        invoke("start_retraining", announce(LABELS))
    assert len(executions()) == 1


def test_an_older_event_that_arrives_late_does_not_regress_the_ledger(invoke: Invoke) -> None:
    put(LABELS, "images/a.png\t1\n")
    etag = put(LABELS, "images/a.png\t2\n")
    invoke("start_retraining", announce(LABELS, "00674052A31C40E2D9"))
    before = item("UPLOAD", f"{DATASET}/labels/train.txt")
    invoke("start_retraining", announce(LABELS, "00674052A2D5"))
    assert item("UPLOAD", f"{DATASET}/labels/train.txt") == before
    assert before is not None
    assert before["etag"] == etag
    assert before["size"] == len("images/a.png\t2\n")


def test_keys_are_found_whether_or_not_they_are_url_encoded(invoke: Invoke) -> None:
    put("incoming/my data/labels/a+b.txt", "a.png\t1\n")
    invoke("start_retraining", announce("incoming/my data/labels/a+b.txt"))
    assert item("UPLOAD", "my data/labels/a+b.txt")
    put("incoming/my data/labels/c+d.txt", "a.png\t1\n")
    invoke("start_retraining", announce("incoming/my+data/labels/c%2Bd.txt"))
    assert item("UPLOAD", "my data/labels/c+d.txt")


@pytest.mark.parametrize(
    "key",
    [
        "incoming/handwriting/images/1.png",
        "incoming/train.txt",
        "golden/general/labels/test.txt",
        "runs/r/labels/train.txt",
        "incoming//labels/train.txt",
    ],
)
def test_what_is_no_label_file_of_a_drop_is_ignored(invoke: Invoke, key: str) -> None:
    put(key, "x")
    assert invoke("start_retraining", announce(key)) == {"batchItemFailures": []}
    assert executions() == []


def test_a_label_file_that_was_deleted_since_is_ignored(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    client("s3").delete_object(Bucket=BUCKET, Key=LABELS)
    invoke("start_retraining", announce(LABELS))
    assert executions() == []


def test_an_event_of_another_kind_or_bucket_is_ignored(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    for change in ({"detail-type": "Object Tags Added"}, {"bucket": "other"}):
        batch = announce(LABELS)
        body = json.loads(batch["Records"][0]["body"])
        body["detail-type"] = change.get("detail-type", "Object Created")
        body["detail"]["bucket"]["name"] = change.get("bucket", BUCKET)
        batch["Records"][0]["body"] = json.dumps(body)
        invoke("start_retraining", batch)
    assert executions() == []


def test_a_message_that_cannot_be_read_fails_alone_and_the_log_says_why(
    invoke: Invoke, caplog: pytest.LogCaptureFixture
) -> None:
    put(LABELS, "a.png\t1\n")
    batch = event("sqs_s3_object_created.json")
    batch["Records"][1]["body"] = "not an event"
    answer = invoke("start_retraining", batch)
    failed = batch["Records"][1]["messageId"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": failed}]}
    assert len(executions()) == 1
    (told,) = [vars(each) for each in caplog.records if vars(each).get("message_id") == failed]
    assert (told["msg"], told["body"]) == ("announcement cannot be taken in", "not an event")
    assert "Invalid JSON" in told["why"]


def test_a_schedule_without_waiting_datasets_starts_nothing(invoke: Invoke) -> None:
    invoke("start_retraining", event("scheduled.json"))
    assert executions() == []


def test_uploads_during_a_run_make_one_next_run_when_it_ends(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    (first,) = executions()
    put("incoming/meters/labels/train.txt", "a.png\t1\n")
    put("incoming/plates/labels/train.txt", "a.png\t1\n")
    invoke("start_retraining", announce("incoming/meters/labels/train.txt"))
    invoke("start_retraining", announce("incoming/plates/labels/train.txt"))
    assert len(executions()) == 1
    take(invoke, first["name"])
    client("stepfunctions").stop_execution(executionArn=first["executionArn"])
    invoke("start_retraining", end("SUCCEEDED", first["name"], {"outcome": "Rejected"}))
    second = next(each for each in executions() if each["name"] != first["name"])
    assert json.loads(second["input"])["datasets"] == ["meters", "plates"]
    assert item("LOCK", "retrain")["run_id"] == second["name"]  # type: ignore[index]


def take(invoke: Invoke, run_id: str, dataset: str = DATASET, train_lines: int = 10) -> None:
    """Do to the ledger what the validation of a run does."""
    from retraining import clients

    for upload in clients.ledger().uploads_of(dataset):
        clients.ledger().take_upload(
            dataset,
            upload.relative,
            read_etag=upload.etag,
            known_etag=upload.etag,
            run_id=run_id,
        )
    lines = DatasetLines(dataset, "s3://b/train.txt", "s3://b/holdout.txt", train_lines, 2)
    clients.ledger().record_lines(lines, run_id, datetime.now(UTC))


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("Promoted", "trained"),
        ("Awaiting approval", "trained"),
        ("Rejected", "rejected"),
        ("Nothing to train", "nothing_usable"),
        ("Waiting for more data", "waiting"),
        ("Something new", "waiting"),
    ],
)
def test_the_outcome_of_a_run_is_recorded(invoke: Invoke, outcome: str, state: str) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    take(invoke, run_id)
    output = {"outcome": outcome, "reason": "because", "package_arn": "arn:package/2"}
    invoke("start_retraining", end("SUCCEEDED", run_id, output))
    dataset, run = item("DATASET", DATASET), item("RUN", run_id)
    assert dataset is not None
    assert run is not None
    assert dataset["state"] == state
    assert run["outcome"] == outcome
    assert run["ended_at"].startswith("2026-")
    assert item("LOCK", "retrain") is None
    if state == "trained":
        assert dataset["package_arn"] == "arn:package/2"
        assert dataset["trained_train_uri"] == "s3://b/train.txt"
    else:
        assert dataset["reason"] == "because"
    assert len(executions()) == 1


def test_a_dataset_without_usable_lines_is_not_called_trained(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    take(invoke, run_id, train_lines=0)
    invoke("start_retraining", end("SUCCEEDED", run_id, {"outcome": "Promoted"}))
    assert item("DATASET", DATASET)["state"] == "nothing_usable"  # type: ignore[index]


def test_a_failed_run_leaves_its_datasets_waiting_and_is_not_repeated(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    for _ in range(2):
        invoke("start_retraining", end("FAILED", run_id))
    dataset = item("DATASET", DATASET)
    assert dataset is not None
    assert (dataset["state"], dataset["attempts"]) == ("waiting", 1)
    assert dataset["reason"].endswith("names no backbone; register a complete model.")
    assert item("RUN", run_id)["outcome"] == "Failed"  # type: ignore[index]
    assert len(executions()) == 1


def test_what_waits_for_more_rides_along_as_often_as_it_takes(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    for number in range(1, 6):
        run_id = next(each["name"] for each in executions() if each["status"] == "RUNNING")
        take(invoke, run_id)
        invoke("start_retraining", end("SUCCEEDED", run_id, {"outcome": "Waiting for more data"}))
        assert len(executions()) == number, "what waits starts nothing by itself"
        other = f"incoming/plates-{number}/labels/train.txt"
        put(other, "a.png\t1\n")
        invoke("start_retraining", announce(other))

    assert DATASET in item("RUN", item("LOCK", "retrain")["run_id"])["datasets"]  # type: ignore[index]


def test_a_dataset_of_a_failed_run_rides_along_with_the_next_one(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    invoke("start_retraining", end("ABORTED", executions()[0]["name"]))
    put("incoming/meters/labels/train.txt", "a.png\t1\n")
    invoke("start_retraining", announce("incoming/meters/labels/train.txt"))
    assert sorted(json.loads(each["input"])["datasets"] for each in executions()) == [
        ["handwriting"],
        ["meters", "handwriting"],
    ]


def test_a_new_upload_wakes_a_dataset_that_failed_too_often(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    invoke("start_retraining", end("FAILED", executions()[0]["name"]))
    put(LABELS, "a.png\t2\n")
    invoke("start_retraining", announce(LABELS, "00674052A31C40E2D9"))
    assert len(executions()) == 2
    assert item("DATASET", DATASET)["attempts"] == 0  # type: ignore[index]


def test_a_running_execution_s_event_changes_nothing(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    invoke("start_retraining", end("RUNNING", run_id))
    assert item("LOCK", "retrain")["run_id"] == run_id  # type: ignore[index]


def test_the_end_of_another_state_machine_is_ignored(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    other = end("FAILED", run_id)
    other["detail"]["stateMachineArn"] = MACHINE.replace("retrain-retrain", "retrain-deploy")
    invoke("start_retraining", other)
    assert item("LOCK", "retrain")["run_id"] == run_id  # type: ignore[index]


def test_an_output_left_out_of_the_event_is_looked_up(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    (running,) = executions()
    client("stepfunctions").stop_execution(executionArn=running["executionArn"])
    change = end("SUCCEEDED", running["name"])
    change["detail"]["output"] = None
    invoke("start_retraining", change)
    assert item("RUN", running["name"])["outcome"] == "Aborted"  # type: ignore[index]


def test_a_redriven_execution_that_succeeds_corrects_the_outcome(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    take(invoke, run_id)
    invoke("start_retraining", end("FAILED", run_id))
    invoke("start_retraining", end("SUCCEEDED", run_id, {"outcome": "Promoted"}))
    assert item("RUN", run_id)["outcome"] == "Promoted"  # type: ignore[index]
    assert item("DATASET", DATASET)["state"] == "trained"  # type: ignore[index]


# --- what AWS may do


def test_uploads_are_not_brought_again_because_aws_refuses_a_start(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has them; brought again they would end as poison in the dead-letter queue."""
    from retraining import clients

    def refuse(*given: object) -> None:
        raise refusal("ThrottlingException", "StartExecution")

    put(LABELS, "a.png\t1\n")
    executions_of_ours = type(clients.executions())
    monkeypatch.setattr(executions_of_ours, "start", refuse)
    assert invoke("start_retraining", announce(LABELS)) == {"batchItemFailures": []}
    assert "ThrottlingException" in item("LOCK", "retrain")["problem"]  # type: ignore[index]
    with pytest.raises(ClientError):
        invoke("start_retraining", event("scheduled.json"))
    monkeypatch.undo()
    invoke("start_retraining", event("scheduled.json"))
    assert len(executions()) == 1


def test_a_batch_of_messages_that_cannot_be_read_does_not_keep_waiting_datasets_back(
    invoke: Invoke,
) -> None:
    from retraining import clients

    put(LABELS, "a.png\t1\n")
    bucket, ledger = clients.bucket(), clients.ledger()
    body = json.loads(announce(LABELS)["Records"][0]["body"])
    record_arrival(ObjectCreated.model_validate(body), bucket, ledger, datetime.now(UTC))
    batch = announce(LABELS)
    batch["Records"][0]["body"] = "not an event"
    answer = invoke("start_retraining", batch)
    assert len(answer["batchItemFailures"]) == 1
    assert len(executions()) == 1


def test_what_came_of_a_success_is_not_guessed(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    (running,) = executions()
    change = end("SUCCEEDED", running["name"])
    change["detail"]["output"] = None
    invoke("start_retraining", change)
    assert "ended_at" not in (item("RUN", running["name"]) or {})
    assert item("LOCK", "retrain")["run_id"] == running["name"]  # type: ignore[index]


def test_the_same_content_uploaded_again_starts_nothing_and_says_so(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    take(invoke, run_id)
    client("stepfunctions").stop_execution(executionArn=executions()[0]["executionArn"])
    invoke("start_retraining", end("SUCCEEDED", run_id, {"outcome": "Promoted"}))
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS, "00674052A31C40E2D9"))
    assert len(executions()) == 1
    assert item("DATASET", DATASET)["last_seen_same_at"]  # type: ignore[index]


def test_lines_are_counted_when_they_arrive(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\nb.png\t2\nc.png\t3")
    invoke("start_retraining", announce(LABELS))
    assert item("UPLOAD", f"{DATASET}/labels/train.txt")["lines"] == 3  # type: ignore[index]


def test_an_archive_starts_a_run(invoke: Invoke) -> None:
    put("incoming/handwriting/week-46.zip", b"PK")
    invoke("start_retraining", announce("incoming/handwriting/week-46.zip"))
    assert json.loads(executions()[0]["input"])["datasets"] == [DATASET]


def test_an_empty_label_file_waits_for_its_lines(invoke: Invoke) -> None:
    put(LABELS, "")
    invoke("start_retraining", announce(LABELS))
    assert executions() == []
    assert item("DECISION", "last")["action"] == "wait"  # type: ignore[index]


def test_a_golden_upload_is_registered_and_starts_nothing(invoke: Invoke) -> None:
    put("golden/general/images/1.png", png(1))
    put("golden/general/labels/test.txt", "images/1.png\t1\n")
    assert invoke("start_retraining", announce("golden/general/labels/test.txt")) == {
        "batchItemFailures": []
    }
    assert item("GOLDEN", "general")["state"] == "registered"  # type: ignore[index]
    assert executions() == []


def test_more_datasets_than_a_run_takes_wait_for_the_next(invoke: Invoke) -> None:
    for number in range(25):
        put(f"incoming/d{number:02}/labels/train.txt", "a.png\t1\n")
    batch = announce(LABELS)
    record = batch["Records"][0]
    batch["Records"] = [
        {**record, "body": record["body"].replace("handwriting", f"d{number:02}")}
        for number in range(25)
    ]
    invoke("start_retraining", batch)
    (started,) = executions()
    assert len(json.loads(started["input"])["datasets"]) == 20
