import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from retraining.executions import Executions, NotStartedError
from retraining.ledger import Ledger
from retraining.ledger_items import DatasetLines, Run, Seen
from retraining.reconcile import Reconciler

from .conftest import BUCKET, MACHINE, RUN, Clock, client, event, item, put

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


@pytest.fixture
def reconciler(ledger: Ledger, clock: Clock, clients: ModuleType) -> Reconciler:
    return Reconciler(ledger, clients.executions(), clock, lambda: "3fa9c1")


def seen(ledger: Ledger, clock: Clock, dataset: str = DATASET, etag: str = "e1") -> None:
    ledger.record_upload(
        Seen(dataset, "labels/train.txt", etag, f"00{clock.now:%H%M%S}", 10, ""), clock.now
    )


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


def test_a_message_that_cannot_be_read_fails_alone(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    batch = event("sqs_s3_object_created.json")
    batch["Records"][1]["body"] = "not an event"
    answer = invoke("start_retraining", batch)
    failed = batch["Records"][1]["messageId"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": failed}]}
    assert len(executions()) == 1


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


# --- the reconciler and its lock


def test_a_lost_terminal_event_is_healed_by_looking(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    seen(ledger, clock)
    assert reconciler.reconcile().action == "started"
    assert reconciler.reconcile().action == "active"
    arn = reconciler.executions.arn(RUN)
    client("stepfunctions").stop_execution(executionArn=arn)
    clock.forward(1)
    assert reconciler.reconcile().action == "idle"
    assert item("DATASET", DATASET)["reason"] == "The execution was stopped by hand."  # type: ignore[index]
    assert item("LOCK", "retrain") is None


def test_a_young_lock_without_an_execution_is_believed(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    die_before_start(reconciler, ledger, clock)
    clock.forward(59)
    assert reconciler.reconcile().action == "active"


def test_an_old_lock_without_an_execution_is_healed_and_the_run_started(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    die_before_start(reconciler, ledger, clock)
    clock.forward(61)
    done = reconciler.reconcile()
    assert (done.action, done.datasets) == ("started", (DATASET,))
    assert done.run_id == "20261122-101646-3fa9c1"
    assert item("RUN", RUN) is None


def die_before_start(reconciler: Reconciler, ledger: Ledger, clock: Clock) -> None:
    seen(ledger, clock)
    run = Run(RUN, reconciler.executions.arn(RUN), (DATASET,), clock.now)
    assert ledger.begin_run(run)


def test_only_one_of_two_concurrent_reconcilers_takes_the_lock(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    seen(ledger, clock)
    first = Run(RUN, "arn:1", (DATASET,), clock.now)
    second = Run("20261122-101545-000000", "arn:2", (DATASET,), clock.now)
    assert ledger.begin_run(first)
    assert not ledger.begin_run(second)
    assert item("RUN", second.run_id) is None
    assert item("DATASET", DATASET)["run_id"] == RUN  # type: ignore[index]


def test_a_refused_start_releases_the_lock_and_the_datasets_wait_on(
    ledger: Ledger, clock: Clock
) -> None:
    gone = Executions(client("stepfunctions"), f"{MACHINE}-gone")
    seen(ledger, clock)
    with pytest.raises(NotStartedError):
        Reconciler(ledger, gone, clock, lambda: "3fa9c1").reconcile()
    assert item("LOCK", "retrain") is None
    dataset = item("DATASET", DATASET)
    assert dataset is not None
    assert (dataset["state"], dataset["attempts"]) == ("waiting", 0)
    assert len(ledger.pending_uploads()) == 1


def test_a_dataset_is_given_up_after_three_failed_runs(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    seen(ledger, clock)
    for attempt in range(4):
        clock.forward(10)
        seen(ledger, clock, dataset=f"other{attempt}")
        clock.forward(10)
        done = reconciler.reconcile()
        assert (DATASET in done.datasets) == (attempt < 3)
        client("stepfunctions").stop_execution(executionArn=reconciler.executions.arn(done.run_id))
    assert item("DATASET", DATASET)["attempts"] == 3  # type: ignore[index]


def test_an_upload_recorded_after_the_start_outlives_the_failure_of_the_run(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    seen(ledger, clock)
    first = reconciler.reconcile()
    clock.forward(5)
    seen(ledger, clock, etag="e2")
    client("stepfunctions").stop_execution(executionArn=reconciler.executions.arn(first.run_id))
    assert reconciler.reconcile().action == "started"


def test_more_datasets_than_a_run_takes_wait_for_the_next(
    reconciler: Reconciler, ledger: Ledger, clock: Clock
) -> None:
    for number in range(25):
        seen(ledger, clock, dataset=f"d{number:02}")
    done = reconciler.reconcile()
    assert len(done.datasets) == 20
    assert len(ledger.pending_uploads()) == 25


def test_a_late_end_of_an_old_run_leaves_the_new_run_alone(
    reconciler: Reconciler, ledger: Ledger, clock: Clock, invoke: Invoke
) -> None:
    seen(ledger, clock)
    reconciler.reconcile()
    invoke("start_retraining", end("FAILED", "20251122-101545-aaaaaa"))
    assert item("LOCK", "retrain")["run_id"] == RUN  # type: ignore[index]
    assert item("DATASET", DATASET)["state"] == "in_run"  # type: ignore[index]


def test_a_redriven_execution_that_succeeds_corrects_the_outcome(invoke: Invoke) -> None:
    put(LABELS, "a.png\t1\n")
    invoke("start_retraining", announce(LABELS))
    run_id = executions()[0]["name"]
    take(invoke, run_id)
    invoke("start_retraining", end("FAILED", run_id))
    invoke("start_retraining", end("SUCCEEDED", run_id, {"outcome": "Promoted"}))
    assert item("RUN", run_id)["outcome"] == "Promoted"  # type: ignore[index]
    assert item("DATASET", DATASET)["state"] == "trained"  # type: ignore[index]
