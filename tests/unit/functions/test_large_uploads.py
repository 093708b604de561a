"""What many functions do together comes to what one would have done."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from retraining import s3_layout
from retraining.image_reading import StoredImage
from retraining.ledger import Ledger
from retraining.ledger_items import Seen
from retraining.shards import write_shards
from retraining.storage import Bucket, Content, NoSuchObjectError

from .conftest import BUCKET, NOW, RUN, Clock, approved_package, begin, drop, get, item, png, put

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
OTHER_RUN = "20261123-101545-3fa9c1"


def faulty_drop(dataset: str, count: int) -> None:
    """Upload good lines, and one of every fault that images can have."""
    drop(dataset, count)
    put(f"incoming/{dataset}/images/broken.png", png(900)[:60])
    put(f"incoming/{dataset}/images/page.png", png(901, (100, 80)))
    boxes = [
        {"transcription": "1", "points": [[5, 5], [60, 5], [60, 25], [5, 25]]},
        {"transcription": "2", "points": [[500, 5], [560, 5], [560, 25], [500, 25]]},
        {"transcription": "3", "points": [[5, 5], [60, 5], [60, 7], [5, 7]]},
    ]
    put(
        f"incoming/{dataset}/labels/zz.txt",
        f"images/broken.png\t1\nimages/gone.png\t1\nimages/page.png\t{json.dumps(boxes)}\n",
    )


def validated(clients: ModuleType, run_id: str, most: int) -> dict[str, Any]:
    validator = clients.validator()
    settings = validator.settings.model_copy(update={"images_per_function": most})
    answer: dict[str, Any] = replace(validator, settings=settings).validate(
        run_id, ["meters", "plates"], NOW
    )
    return answer


def written(run_id: str) -> dict[str, str]:
    return {
        f"{dataset}/{name}": get(f"runs/{run_id}/datasets/{dataset}/{name}")
        for dataset in ("meters", "plates")
        for name in ("train.txt", "holdout.txt", "contents.tsv", "images.tsv")
    }


def test_shared_out_images_come_to_the_same_lines_and_report(
    clients: ModuleType, invoke: Invoke, ledger: Ledger
) -> None:
    approved_package(dictionary="".join(f"{each}\n" for each in "0123456789"))
    faulty_drop("meters", 70)
    faulty_drop("plates", 20)
    alone = validated(clients, OTHER_RUN, 1000)
    before = written(OTHER_RUN)

    handed_out = validated(clients, RUN, 40)

    assert alone["image_shards"] == 0
    assert handed_out["image_shards"] == 3
    assert handed_out["image_shards_uri"] == f"s3://{BUCKET}/runs/{RUN}/images/shards.json"
    assert (handed_out["train_lines"], handed_out["reason"]) == (0, "")
    shards = json.loads(get(f"runs/{RUN}/images/shards.json"))
    found = [invoke("check_images", {"run_id": RUN, "shard": each}) for each in shards]
    assert sum(each["checked"] for each in found) == 94
    assert sum(each["unreadable"] for each in found) == 2
    answer = invoke("finish_validation", {"run_id": RUN})
    assert written(RUN) == before
    assert {**answer, "report": ""} == {**alone, "report": ""}
    reports = [json.loads(get(s3_layout.validation_report(each))) for each in (RUN, OTHER_RUN)]
    assert reports[0]["datasets"] == reports[1]["datasets"]
    assert reports[0]["problems"] == reports[1]["problems"]


def test_uploads_are_taken_when_the_validation_is_finished_and_not_before(
    clients: ModuleType, invoke: Invoke, ledger: Ledger
) -> None:
    drop("meters", 30)
    drop("plates", 1)
    ledger.record_upload(Seen("meters", "labels/train.txt", "seen", "01", 1, ""), NOW)
    begin("meters", "plates")
    validated(clients, RUN, 10)
    assert len(ledger.pending_uploads()) == 1
    for shard in json.loads(get(f"runs/{RUN}/images/shards.json")):
        invoke("check_images", {"run_id": RUN, "shard": shard})
    invoke("finish_validation", {"run_id": RUN})
    assert ledger.pending_uploads() == ()
    dataset = item("DATASET", "meters")
    assert dataset is not None
    assert dataset["train_lines"] > 0


def test_a_shard_that_was_not_checked_is_not_passed_over(
    clients: ModuleType, invoke: Invoke
) -> None:
    drop("meters", 30)
    drop("plates", 1)
    validated(clients, RUN, 10)
    invoke("check_images", {"run_id": RUN, "shard": "00000"})
    with pytest.raises(NoSuchObjectError, match=r"00001\.checked\.jsonl"):
        invoke("finish_validation", {"run_id": RUN})


def test_an_image_deleted_while_shards_are_checked_is_reported(
    clients: ModuleType, invoke: Invoke
) -> None:
    drop("meters", 12)
    drop("plates", 1, first_seed=50)
    validated(clients, RUN, 12)
    clients.bucket()._client.delete_object(Bucket=BUCKET, Key="incoming/meters/images/3.png")
    for shard in json.loads(get(f"runs/{RUN}/images/shards.json")):
        invoke("check_images", {"run_id": RUN, "shard": shard})
    answer = invoke("finish_validation", {"run_id": RUN})
    (problem,) = answer["problems"]
    assert problem["code"] == "unreadable_image"
    assert "deleted while" in problem["first"][0]


def test_what_one_function_has_no_time_for_is_shared_out(
    clients: ModuleType, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("meters", 600)
    clock = Clock()
    validator = replace(clients.validator(), clock=clock)
    read: Callable[[str], Content] = validator.bucket.read

    def slow(key: str) -> Content:
        clock.forward(1)
        return read(key)

    monkeypatch.setattr(validator.bucket, "read", slow)
    answer = validator.validate(RUN, ["meters"], NOW)
    monkeypatch.undo()
    assert answer["image_shards"] == 1
    left = get(f"runs/{RUN}/images/00000.jsonl").splitlines()
    assert 0 < len(left) < 600
    invoke("check_images", {"run_id": RUN, "shard": "00000"})
    finished = invoke("finish_validation", {"run_id": RUN})
    assert finished["train_lines"] + finished["holdout_lines"] == 600
    assert finished["problems"] == []


def test_shards_are_limited_by_bytes_as_well(bucket: Bucket) -> None:
    sizes = [200, 200, 200, 600, 10, 10, 10]
    images = [
        StoredImage(number, f"{number}.png", size * 1024**2) for number, size in enumerate(sizes)
    ]
    count, _ = write_shards(bucket, RUN, images, 2)
    parts = [
        [json.loads(row)[0] for row in get(f"runs/{RUN}/images/{shard:05d}.jsonl").splitlines()]
        for shard in range(count)
    ]
    assert parts == [[0, 1], [2], [3], [4, 5], [6]]
