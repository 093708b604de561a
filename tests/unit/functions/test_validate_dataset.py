import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from retraining.images import check_image
from retraining.ledger import Ledger
from retraining.ledger_items import Seen
from retraining.storage import Content

from .conftest import BUCKET, NOW, RUN, approved_package, client, drop, get, item, png, put

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]


def request(*datasets: str, waited: float = 0) -> dict[str, Any]:
    started = datetime.now(UTC) - timedelta(seconds=waited)
    return {"run_id": RUN, "datasets": list(datasets), "started_at": started.isoformat()}


def lines(dataset: str, part: str) -> list[str]:
    return get(f"runs/{RUN}/datasets/{dataset}/{part}.txt").splitlines()


def problems(answer: dict[str, Any]) -> dict[str, int]:
    return {each["code"]: each["count"] for each in answer["problems"]}


def record(ledger: Ledger, dataset: str, relative: str, etag: str, sequencer: str = "01") -> None:
    ledger.record_upload(Seen(dataset, relative, etag, sequencer, 1, ""), NOW)


def test_a_good_dataset_is_split_and_written(invoke: Invoke) -> None:
    drop("meters", 70)
    answer = invoke("validate_dataset", request("meters"))
    assert answer["complete"] is True
    assert answer["reason"] == ""
    assert answer["problems"] == []
    assert answer["report"] == f"s3://{BUCKET}/runs/{RUN}/validation.json"
    train, holdout = lines("meters", "train"), lines("meters", "holdout")
    assert (len(train), len(holdout)) == (answer["train_lines"], answer["holdout_lines"])
    assert len(train) + len(holdout) == 70
    assert 20 <= len(holdout) <= 30
    assert "incoming/meters/images/0.png\t1000" in train + holdout
    dataset = item("DATASET", "meters")
    assert dataset is not None
    assert dataset["train_lines"] == len(train)
    assert dataset["holdout_lines_uri"] == (f"s3://{BUCKET}/runs/{RUN}/datasets/meters/holdout.txt")


def test_validating_again_splits_the_same_way(invoke: Invoke) -> None:
    drop("meters", 30)
    invoke("validate_dataset", request("meters"))
    first = lines("meters", "holdout")
    invoke("validate_dataset", request("meters"))
    assert lines("meters", "holdout") == first


def test_bad_lines_are_reported_by_name_and_the_good_ones_are_used(invoke: Invoke) -> None:
    approved_package(dictionary="".join(f"{each}\n" for each in "0123456789"))
    drop("meters", 30)
    put("incoming/meters/images/broken.png", png(900)[:60])
    put("incoming/meters/images/text.png", "this is no image")
    rows = [
        "images/no-tab.png 1",
        "images/0.png\t7",
        "images/gone.png\t1",
        "images/broken.png\t1",
        "images/text.png\t1",
        "../../golden/secret.png\t1",
        "images/5.png\t",
        "images/unknown.png\t1€é",
    ]
    put("incoming/meters/images/unknown.png", png(901))
    put("incoming/meters/labels/zz.txt", "\n".join(rows))
    put("incoming/meters/labels/empty.txt", "")
    put("incoming/meters/labels/binary.txt", b"\x00\x01\x02")
    put("incoming/meters/README.txt", "Thank you!")
    answer = invoke("validate_dataset", request("meters", waited=1000))
    assert problems(answer) == {
        "unreadable_image": 2,
        "no_tab": 1,
        "duplicate_image": 1,
        "missing_image": 1,
        "outside_dataset": 1,
        "empty_label": 1,
        "unknown_character": 1,
        "empty_label_file": 1,
        "binary_label_file": 1,
        "not_a_label_file": 1,
    }
    assert (answer["complete"], answer["give_up_waiting"]) == (False, True)
    assert answer["train_lines"] + answer["holdout_lines"] == 30
    report = json.loads(get(f"runs/{RUN}/validation.json"))
    named = {each["code"]: each["all"] for each in report["problems"]}
    assert named["missing_image"] == ["meters/labels/zz.txt line 3: images/gone.png"]
    assert named["unknown_character"][0].startswith("meters/labels/zz.txt line 8: ")
    assert "'€', 'é'" in named["unknown_character"][0]
    assert report["unknown_characters"] == {"€": 1, "é": 1}
    assert report["missing"] == ["incoming/meters/images/gone.png"]
    assert "incoming/meters/images/0.png\t1000" in lines("meters", "train") + lines(
        "meters", "holdout"
    )


def test_while_images_are_missing_nothing_is_read_or_taken(invoke: Invoke, ledger: Ledger) -> None:
    etag = put("incoming/meters/labels/train.txt", "images/1.png\t1\nimages/2.png\t2\n")
    put("incoming/meters/images/1.png", png(1))
    record(ledger, "meters", "labels/train.txt", etag)
    answer = invoke("validate_dataset", request("meters"))
    assert (answer["complete"], answer["give_up_waiting"]) == (False, False)
    assert answer["missing_count"] == 1
    assert answer["missing_first"] == ["incoming/meters/images/2.png"]
    assert answer["reason"] == ""
    assert len(ledger.pending_uploads()) == 1
    put("incoming/meters/images/2.png", png(2))
    assert invoke("validate_dataset", request("meters"))["complete"] is True
    assert ledger.pending_uploads() == ()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"images/1.png": "x"}, "There is no label file for meters"),
        ({"labels/train.txt": "a\nb\n"}, "2 x no tab between image and text"),
        ({"labels/train.txt": b"\x00"}, "1 x a label file that is not UTF-8 text"),
        ({"labels/train.txt": ""}, "1 x an empty label file"),
    ],
)
def test_a_dataset_without_a_usable_line_says_why(
    invoke: Invoke, files: dict[str, str | bytes], reason: str
) -> None:
    for name, content in files.items():
        put(f"incoming/meters/{name}", content)
    answer = invoke("validate_dataset", request("meters"))
    assert answer["complete"] is True
    assert answer["train_lines"] == 0
    assert reason in answer["reason"]
    assert lines("meters", "train") == []


def test_a_dataset_s_own_val_file_is_its_holdout(invoke: Invoke) -> None:
    drop("meters", 20)
    drop("meters", 30, label_file="labels/val.txt")
    put("incoming/meters/images/copy.png", png(3))
    put("incoming/meters/labels/more.txt", "images/copy.png\t1003\n")
    answer = invoke("validate_dataset", request("meters"))
    assert (answer["train_lines"], answer["holdout_lines"]) == (0, 30)
    assert "held out" in answer["reason"]


def test_an_image_that_is_held_out_is_never_trained_on_under_another_name(
    invoke: Invoke,
) -> None:
    drop("meters", 30, first_seed=100)
    put("incoming/meters/images/held.png", png(1))
    put("incoming/meters/images/copy.png", png(1))
    put("incoming/meters/labels/val.txt", "images/held.png\t1\n")
    put("incoming/meters/labels/zz.txt", "images/copy.png\t1\n")
    put("incoming/other/images/same.png", png(1))
    put("incoming/other/images/held.png", png(500))
    put("incoming/other/train.txt", "images/same.png\t1\n")
    put("incoming/other/val.txt", "images/held.png\t1\n")
    answer = invoke("validate_dataset", request("meters", "other"))
    assert (answer["train_lines"], answer["holdout_lines"]) == (30, 2)
    assert lines("other", "train") == []


def test_paths_relative_to_the_label_file_are_found(invoke: Invoke) -> None:
    put("incoming/meters/rec/crop_img/1.png", png(1))
    put("incoming/meters/rec/rec_gt_train.txt", "crop_img/1.png\t1\n")
    answer = invoke("validate_dataset", request("meters"))
    assert answer["train_lines"] + answer["holdout_lines"] == 1


def test_without_a_dictionary_characters_are_not_checked_and_this_is_said(
    invoke: Invoke,
) -> None:
    approved_package()
    drop("meters", 3)
    invoke("validate_dataset", request("meters"))
    (note,) = json.loads(get(f"runs/{RUN}/validation.json"))["notes"]
    assert "dictionary_uri" in note


def test_a_dictionary_that_is_gone_is_a_note_not_a_failure(invoke: Invoke) -> None:
    approved_package(dictionary="a\n")
    client("s3").delete_object(Bucket=BUCKET, Key="models/v1/output/dict.txt")
    drop("meters", 3)
    assert invoke("validate_dataset", request("meters"))["problems"] == []
    (note,) = json.loads(get(f"runs/{RUN}/validation.json"))["notes"]
    assert "cannot be read" in note


def test_spaces_are_known_to_every_dictionary(invoke: Invoke) -> None:
    approved_package(dictionary="a\r\nb\r\n")
    put("incoming/meters/1.png", png(1))
    put("incoming/meters/train.txt", "1.png\ta b\n")
    assert invoke("validate_dataset", request("meters"))["problems"] == []


def test_read_label_files_are_taken_with_the_version_that_was_read(
    invoke: Invoke, ledger: Ledger
) -> None:
    drop("meters", 2)
    record(ledger, "meters", "labels/train.txt", "an-older-version")
    record(ledger, "meters", "labels/deleted.txt", "deleted-since")
    invoke("validate_dataset", request("meters"))
    assert ledger.pending_uploads() == ()
    etag = (
        client("s3")
        .head_object(Bucket=BUCKET, Key="incoming/meters/labels/train.txt")["ETag"]
        .strip('"')
    )
    upload = item("UPLOAD", "meters/labels/train.txt")
    assert upload is not None
    assert (upload["taken_etag"], upload["taken_by"]) == (etag, RUN)
    record(ledger, "meters", "labels/train.txt", etag, sequencer="02")
    assert ledger.pending_uploads() == ()


def test_a_version_recorded_while_reading_stays_pending(ledger: Ledger) -> None:
    record(ledger, "meters", "labels/train.txt", "newer", sequencer="02")
    ledger.take_upload(
        "meters", "labels/train.txt", read_etag="older", known_etag="older", run_id=RUN
    )
    assert [each.etag for each in ledger.pending_uploads()] == ["newer"]


def test_a_file_read_before_its_event_arrived_is_not_pending_afterwards(
    invoke: Invoke, ledger: Ledger
) -> None:
    drop("meters", 2)
    invoke("validate_dataset", request("meters"))
    etag = (
        client("s3")
        .head_object(Bucket=BUCKET, Key="incoming/meters/labels/train.txt")["ETag"]
        .strip('"')
    )
    record(ledger, "meters", "labels/train.txt", etag)
    assert ledger.pending_uploads() == ()


def test_images_are_each_read_once(clients: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    drop("many", 40)
    validator = clients.validator()
    reads: list[str] = []
    read: Callable[[str], Content] = validator.bucket.read

    def counting(key: str) -> Content:
        reads.append(key)
        return read(key)

    monkeypatch.setattr(validator.bucket, "read", counting)
    validator.validate(RUN, ["many"], NOW)
    images = [key for key in reads if key.endswith(".png")]
    assert len(images) == len(set(images)) == 40


# --- images


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 16), "white").save(out, format=kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_common_image_formats_can_be_read(kind: str) -> None:
    assert check_image(encoded(kind)).problem == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"no image", "cannot be decoded"),
        (png(1)[:-400], "cannot be decoded"),
        (encoded("JPEG")[:200], "cannot be decoded"),
        (b"%PDF-1.4", "cannot be decoded"),
    ],
)
def test_unreadable_images_say_what_is_wrong(content: bytes, problem: str) -> None:
    check = check_image(content)
    assert check.problem.startswith(problem)
    assert "0x" not in check.problem


def test_an_image_bomb_is_refused_before_it_is_decoded() -> None:
    out = io.BytesIO()
    Image.new("1", (8000, 8000)).save(out, format="PNG")
    assert "pixels" in check_image(out.getvalue()).problem


def test_a_gigantic_image_bomb_is_refused() -> None:
    bomb = bytearray(encoded("PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    assert check_image(bytes(bomb)).problem


# --- the split rule


def test_the_holdout_never_takes_in_lines_that_were_trained_on_as_a_dataset_grows() -> None:
    import hashlib

    from retraining.holdout import UsableLine, split
    from retraining.lines import Line

    def usable(count: int) -> list[UsableLine]:
        return [
            UsableLine(Line(f"{n}", "x"), hashlib.sha256(str(n).encode()).hexdigest(), False)
            for n in range(count)
        ]

    trained: set[str] = set()
    for count in (60, 100, 140, 300, 1000):
        parts = split(usable(count), 15, 20)
        held = {line.key for line in parts.holdout}
        assert len(held) >= 20
        assert not held & trained
        trained |= {line.key for line in parts.train}


def test_a_small_dataset_is_split_by_percent_alone() -> None:
    import hashlib

    from retraining.holdout import UsableLine, split
    from retraining.lines import Line

    lines = [
        UsableLine(Line(f"{n}", "x"), hashlib.sha256(str(n).encode()).hexdigest(), False)
        for n in range(59)
    ]
    expected = sum(int(each.sha256[:8], 16) < 16**8 * 15 // 100 for each in lines)
    assert len(split(lines, 15, 20).holdout) == expected < 20
