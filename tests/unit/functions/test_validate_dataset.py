import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from retraining.images import check_image
from retraining.ledger import Ledger
from retraining.ledger_items import Seen
from retraining.storage import Content

from .conftest import BUCKET, NOW, RUN, approved_package, begin, client, drop, get, item, png, put

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
    begin("meters")
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


def test_lines_that_no_model_could_be_judged_by_wait_for_more(invoke: Invoke) -> None:
    drop("meters", 30)

    answer = invoke("validate_dataset", request("meters"))

    assert answer["train_lines"] > 0
    assert answer["outcome"] == "Waiting for more data"
    assert "20 are needed; what has come waits for the next upload." in answer["reason"]


def test_a_run_that_waits_for_more_binds_no_image_to_a_side(invoke: Invoke) -> None:
    drop("meters", 30)
    begin("meters")

    invoke("validate_dataset", request("meters"))

    assert get(f"runs/{RUN}/datasets/meters/contents.tsv") == ""
    assert len(lines("meters", "train")) + len(lines("meters", "holdout")) == 30


def test_one_line_that_cannot_be_learnt_leaves_enough_to_judge_by(invoke: Invoke) -> None:
    approved_package(dictionary="".join(f"{each}\n" for each in "0123456789"))
    drop("meters", 100)
    invoke("validate_dataset", request("meters"))
    first = lines("meters", "holdout")[0].partition("\t")[0].removeprefix("incoming/meters/")
    labels = get("incoming/meters/labels/train.txt").splitlines()
    odd = [f"{first}\t1€" if row.startswith(f"{first}\t") else row for row in labels]
    put("incoming/meters/labels/train.txt", "\n".join(odd))

    answer = invoke("validate_dataset", request("meters"))

    assert answer["outcome"] == ""


def test_images_that_an_earlier_run_waited_for_are_not_waited_for_again(
    clients: ModuleType, invoke: Invoke
) -> None:
    drop("meters", 70)
    put("incoming/meters/labels/more.txt", "images/never.png\t1\n")
    begin("meters")
    ledger = clients.ledger()
    for relative in ("labels/train.txt", "labels/more.txt"):
        key = f"incoming/meters/{relative}"
        etag = client("s3").head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')
        record(ledger, "meters", relative, etag)
    assert invoke("validate_dataset", request("meters"))["give_up_waiting"] is False
    invoke("validate_dataset", request("meters", waited=86_400))

    answer = invoke("validate_dataset", request("meters"))

    assert (answer["missing_count"], answer["give_up_waiting"]) == (1, True)


def test_the_few_lines_of_several_datasets_are_enough_together(invoke: Invoke) -> None:
    drop("meters", 70)
    drop("plates", 5)

    answer = invoke("validate_dataset", request("meters", "plates"))

    assert (answer["outcome"], answer["reason"]) == ("", "")


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
        "conflicting_label": 1,
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
    named = {each["code"]: each["first"] for each in report["problems"]}
    assert named["missing_image"] == ["meters/labels/zz.txt line 3: images/gone.png"]
    assert named["unknown_character"][0].startswith("meters/labels/zz.txt line 8: ")
    # Not held out by its content, so it is one train line, too few for either character.
    assert named["unknown_character"] == [
        "meters/labels/zz.txt line 8: the model cannot write "
        "'€' U+20AC: 1 usable train line holds it, 5 are needed; "
        "'é' U+00E9: 1 usable train line holds it, 5 are needed"
    ]
    assert report["unknown_characters"] == {"€": 1, "é": 1}
    assert report["missing"] == ["incoming/meters/images/gone.png"]
    assert "incoming/meters/images/0.png\t1000" in lines("meters", "train") + lines(
        "meters", "holdout"
    )


def labelled(
    dataset: str, texts: Sequence[str], label_file: str = "labels/train.txt", *, seed: int = 0
) -> None:
    rows = []
    for number, text in enumerate(texts, start=seed):
        put(f"incoming/{dataset}/images/{number}.png", png(number))
        rows.append(f"images/{number}.png\t{text}\n")
    put(f"incoming/{dataset}/{label_file}", "".join(rows))


def validated(invoke: Invoke, *datasets: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the answer and validation.json."""
    answer = invoke("validate_dataset", request(*datasets))
    return answer, json.loads(get(f"runs/{RUN}/validation.json"))


def test_characters_with_enough_train_lines_are_new_and_their_lines_are_used(
    invoke: Invoke,
) -> None:
    approved_package(dictionary="1\n2\n")
    labelled("meters", ["1A2", "B1", *["AB"] * 9, "Q1", "\ue0002"])
    labelled("meters", ["A2", "C2", "12"], "labels/val.txt", seed=100)
    answer, report = validated(invoke, "meters")
    assert (answer["train_lines"], answer["holdout_lines"]) == (11, 2)
    assert get(f"runs/{RUN}/new_characters.txt") == "A\nB\n"
    assert report["new_characters"] == {"A": 10, "B": 10}
    assert report["rare_characters"] == {
        "Q": {"lines": 1, "needed": 5},
        "C": {"lines": 0, "needed": 5},
    }
    assert report["refused_characters"] == {
        "\ue000": "it is for private use, so nobody else knows what it means"
    }
    assert report["unknown_characters"] == {"Q": 1, "\ue000": 1, "C": 1}
    assert problems(answer) == {"unknown_character": 3}
    first = answer["problems"][0]["first"]
    assert first[0].endswith("write 'Q': 1 usable train line holds it, 5 are needed")
    assert "labels/train.txt line 12" in first[0]
    assert "labels/val.txt line 2" in first[2]


def test_the_answer_counts_and_names_the_first_twenty(invoke: Invoke) -> None:
    approved_package(dictionary="1\n")
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 25)))
    labelled("meters", [alphabet, *[alphabet[1:]] * 10, "1", "\u00b6", "\u00a7"])
    labelled("meters", ["1"], "labels/val.txt", seed=100)
    answer, _ = validated(invoke, "meters")
    assert answer["new_character_count"] == 24
    assert answer["new_characters_first"] == list(alphabet[1:21])
    assert answer["rare_character_count"] == 3
    assert answer["rare_characters_first"] == ["\u00a7", "\u00b6", alphabet[0]]
    new, others = answer["character_notes"]
    assert new.startswith("24 new characters: ")
    assert others.startswith("3 characters not learnt: ")


def test_a_page_in_an_unknown_script_does_not_burst_the_state_machine_s_payload(
    invoke: Invoke,
) -> None:
    approved_package(dictionary="1\n")
    page = "".join(map(chr, range(0x4E00, 0x4E00 + 1000)))
    labelled("meters", [page, "1"])
    answer, report = validated(invoke, "meters")
    (first,) = answer["problems"][0]["first"]
    assert first.endswith("U+4E09: 1 usable train line holds it, 5 are needed; and 990 more")
    assert len(json.dumps(answer)) < 10_000
    assert len(report["unknown_characters"]) == 1000


def test_characters_are_counted_over_all_datasets_of_a_run(invoke: Invoke) -> None:
    approved_package(dictionary="1\n")
    labelled("meters", ["A1"] * 6)
    labelled("plates", ["A1"] * 4, seed=50)
    for dataset, seed in (("meters", 100), ("plates", 200)):
        labelled(dataset, ["1"], "labels/val.txt", seed=seed)
    _, report = validated(invoke, "meters", "plates")
    assert report["new_characters"] == {"A": 10}


def test_parameters_switch_growing_off_and_say_how_many_lines_are_needed(
    clients: ModuleType,
) -> None:
    approved_package(dictionary="1\n")
    labelled("meters", ["A1", "A1", "1"])
    labelled("meters", ["1"], "labels/val.txt", seed=100)

    def validate(**parameters: object) -> dict[str, Any]:
        standard = clients.validator()
        changed = standard.settings.model_copy(update=parameters)
        replace(standard, settings=changed).validate(RUN, ["meters"], NOW)
        report: dict[str, Any] = json.loads(get(f"runs/{RUN}/validation.json"))
        return report

    grown = validate(min_character_lines=2)
    assert (grown["new_characters"], grown["train_lines"]) == ({"A": 2}, 3)
    fixed = validate(min_character_lines=2, grow_dictionary=False)
    assert (fixed["new_characters"], fixed["train_lines"]) == ({}, 1)
    assert fixed["problems"][0]["first"][0].endswith("write 'A': GrowDictionary is off")
    assert get(f"runs/{RUN}/new_characters.txt") == ""


def test_labels_are_normalised_before_they_are_split_and_checked(invoke: Invoke) -> None:
    approved_package(dictionary="\u00e9\na\n")
    labelled("meters", ["e\u0301 a", "e\u0301\u00a0a", "a\u2009a", "a"])
    labelled("meters", ["ae\u0301"], "labels/val.txt", seed=100)
    answer, report = validated(invoke, "meters")
    assert answer["problems"] == []
    assert report["normalised"] == {"compose": 3, "spaces": 2}
    texts = [each.split("\t")[1] for each in lines("meters", "train")]
    assert texts == ["\u00e9 a", "\u00e9 a", "a a", "a"]
    assert lines("meters", "holdout") == ["incoming/meters/images/100.png\ta\u00e9"]


def test_without_a_dictionary_the_training_job_is_offered_what_it_may_lack(
    invoke: Invoke,
) -> None:
    approved_package()
    labelled("meters", [*["A1"] * 10, "B1"])
    labelled("meters", ["1"], "labels/val.txt", seed=100)
    answer, report = validated(invoke, "meters")
    assert get(f"runs/{RUN}/new_characters.txt") == "1\nA\n"
    assert (report["new_characters"], answer["problems"]) == ({}, [])
    assert answer["train_lines"] == 11
    (note,) = answer["character_notes"]
    assert "has no dictionary_uri; characters were not checked." in note
    assert note.endswith(
        "The training job adds what its model lacks of the 2 characters in at least 5 train "
        "lines and sets lines with others aside."
    )
    assert report["notes"] == [note]


def test_images_that_share_a_line_are_set_aside_together(invoke: Invoke) -> None:
    approved_package(dictionary="1\n")
    for number in range(3):
        put(f"incoming/meters/{number}.png", png(number))
    put("incoming/meters/train.txt", '["0.png", "1.png"]\tA\n2.png\t1\n')
    answer, report = validated(invoke, "meters")
    assert problems(answer) == {"unknown_character": 2}
    assert report["unknown_characters"] == {"A": 2}
    assert answer["train_lines"] + answer["holdout_lines"] == 1


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


def test_a_file_name_that_macos_took_apart_is_the_one_that_the_label_means(
    invoke: Invoke,
) -> None:
    put("incoming/meters/images/Tu\u0308r.png", png(1))
    put("incoming/meters/labels/train.txt", "images/T\u00fcr.png\t1\n")
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


def test_labels_that_are_replaced_while_they_are_read_are_read_with_their_own_images(
    clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("incoming/meters/labels/train.txt", "images/never.png\t1\n")
    validator = clients.validator()
    read = validator.bucket.read

    def replaced_before(key: str) -> Content:
        if key.endswith("train.txt") and "never" in get(key):
            drop("meters", 70)
        content: Content = read(key)
        return content

    monkeypatch.setattr(validator.bucket, "read", replaced_before)

    long_ago = datetime.now(UTC) - timedelta(hours=2)
    answer = validator.validate(RUN, ["meters"], long_ago)

    assert (answer["missing_count"], answer["outcome"]) == (0, "")
    assert answer["train_lines"] + answer["holdout_lines"] == 70


def test_labels_that_never_hold_still_are_an_error_that_says_so(
    clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("meters", 3)
    validator = clients.validator()
    read = validator.bucket.read

    def replaced_again(key: str) -> Content:
        if key.endswith("train.txt"):
            put(key, get(key) + "images/0.png\t1\n")
        content: Content = read(key)
        return content

    monkeypatch.setattr(validator.bucket, "read", replaced_again)

    with pytest.raises(Exception, match="of meters were replaced each time they were read"):
        validator.validate(RUN, ["meters"], datetime.now(UTC))


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
