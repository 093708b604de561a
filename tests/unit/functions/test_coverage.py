"""Every label line is accounted for: used, or unused for one named reason."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from retraining.images import box_fault, check_image
from retraining.ledger import Ledger
from retraining.validation_report import ProblemSummary, Report

from .conftest import BUCKET, NOW, RUN, approved_package, begin, drop, get, item, png, put

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
SQUARE = [[2, 2], [40, 2], [40, 20], [2, 20]]


def validate(invoke: Invoke, *datasets: str, waited: float = 0) -> tuple[dict[str, Any], Any]:
    started = datetime.now(UTC) - timedelta(seconds=waited)
    request = {"run_id": RUN, "datasets": list(datasets), "started_at": started.isoformat()}
    begin(*datasets)
    answer = invoke("validate_dataset", request)
    return answer, json.loads(get(f"runs/{RUN}/validation.json"))


def problems(answer: dict[str, Any]) -> dict[str, int]:
    return {each["code"]: each["count"] for each in answer["problems"]}


def rows(key: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in get(f"runs/{RUN}/{key}.jsonl").splitlines()]


def page(*boxes: tuple[str, object], difficult: bool = False) -> str:
    return json.dumps(
        [
            {"transcription": text, "points": points, "difficult": difficult}
            for text, points in boxes
        ]
    )


def test_every_line_is_used_or_has_one_reason(invoke: Invoke) -> None:
    approved_package(dictionary="".join(f"{each}\n" for each in "0123456789"))
    drop("meters", 30)
    put("incoming/meters/images/page.png", png(700, (80, 60)))
    put("incoming/meters/images/broken.png", png(800)[:50])
    put(
        "incoming/meters/labels/zz.txt",
        "no tab\n"
        "images/0.png\t\n"
        "images/1.png\t1001\n"  # the same text again
        "images/1.png\t7\n"  # another one
        "images/gone.png\t1\n"
        "../../other/x.png\t1\n"
        "images/broken.png\t1\n"
        f"images/page.png\t{page(('1', SQUARE), ('###', SQUARE), ('2', 'x'), ('3', SQUARE))}\n"
        "images/2.png\t" + "1" * 1001 + "\n"
        '["images/3.png", "images/lost.png"]\t1003\n',
    )
    answer, report = validate(invoke, "meters", waited=10_000)
    (dataset,) = report["datasets"]
    assert dataset["unused_lines"] == {
        "missing_image": 2,
        "duplicate_line": 2,
        "conflicting_label": 2,
        "no_tab": 1,
        "empty_label": 1,
        "outside_dataset": 1,
        "unreadable_image": 1,
        "illegible_box": 1,
        "bad_box": 1,
        "label_too_long": 1,
    }
    used = dataset["train_lines"] + dataset["holdout_lines"]
    assert used == 31
    assert dataset["label_lines"] == used + sum(dataset["unused_lines"].values()) == 44
    assert len(rows("problems")) == sum(problems(answer).values()) == 13
    assert rows("missing") == [
        {"dataset": "meters", "key": "incoming/meters/images/gone.png"},
        {"dataset": "meters", "key": "incoming/meters/images/lost.png"},
    ]
    assert report["problems_uri"] == f"s3://{BUCKET}/runs/{RUN}/problems.jsonl"


def test_problems_of_all_kinds_with_long_names_fit_into_a_payload() -> None:
    problems: list[ProblemSummary] = [
        {"code": f"kind_{number}", "count": 9, "first": ["\u6c34" * 700] * 5}
        for number in range(40)
    ]
    report = Report(RUN, True, False, [], ["incoming/\u6c34" * 100] * 20, problems)
    answer = report.as_answer("s3://b/report.json")
    assert len(json.dumps(answer)) < 128 * 1024
    assert [each["count"] for each in answer["problems"]] == [9] * 40
    assert len(answer["problems"][0]["first"]) == 5
    assert report.as_json()["problems"] == problems


def test_a_conflicting_label_names_both_places(invoke: Invoke) -> None:
    put("incoming/meters/1.png", png(1))
    put("incoming/meters/labels/train.txt", "1.png\tfirst\n1.png\tsecond\n")
    answer, _ = validate(invoke, "meters")
    assert answer["problems"] == [
        {
            "code": "conflicting_label",
            "count": 1,
            "first": [
                "meters/labels/train.txt line 2: 1.png has another text from "
                'meters/labels/train.txt line 1: "first"'
            ],
        }
    ]
    written = get(f"runs/{RUN}/datasets/meters/train.txt")
    assert written == "incoming/meters/1.png\tfirst\n"


def test_texts_that_differ_only_before_normalisation_are_duplicates(invoke: Invoke) -> None:
    put("incoming/meters/1.png", png(1))
    put("incoming/meters/labels/train.txt", "1.png\tCafe\u0301\n1.png\tCaf\u00e9\n")
    answer, _ = validate(invoke, "meters")
    assert problems(answer) == {"duplicate_line": 1}


def test_the_boxes_of_a_page_are_lines_with_their_corners(invoke: Invoke) -> None:
    put("incoming/meters/scans/page 1.png", png(1, (80, 60)))
    other = [[2, 30], [40, 30], [40, 50], [2, 50]]
    put("incoming/meters/Label.txt", f"scans/page 1.png\t{page(('eins', SQUARE), ('2', other))}\n")
    answer, _ = validate(invoke, "meters")
    assert (answer["train_lines"] + answer["holdout_lines"], answer["problems"]) == (2, [])
    key = "incoming/meters/scans/page 1.png"
    both = "".join(get(f"runs/{RUN}/datasets/meters/{each}.txt") for each in ("train", "holdout"))
    assert both == (
        f"{key}\teins\t[[2,2],[40,2],[40,20],[2,20]]\n{key}\t2\t[[2,30],[40,30],[40,50],[2,50]]\n"
    )


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        (SQUARE, ""),
        ([[-2, -1], [40, 2], [40, 20], [2, 20]], ""),
        ([[2, 2], [40, 2], [50, 11], [40, 20], [2, 20]], ""),
        ([[90, 2], [140, 2], [140, 20], [90, 20]], "lies outside the page"),
        ([[-60, 2], [40, 2], [40, 20], [-60, 20]], "lies outside the page"),
        ([[2, 70], [40, 70], [40, 90], [2, 90]], "lies outside the page"),
        ([[2, 2], [40, 2], [40, 5], [2, 5]], "smaller than 4 pixels"),
        ([[2, 2], [5, 2], [5, 40], [2, 40]], "smaller than 4 pixels"),
        ([[9, 9], [9, 9], [9, 9], [9, 9]], "lies outside the page"),
        ([[2, 2], [20, 20], [40, 40], [60, 60]], ""),
    ],
)
def test_boxes_that_cannot_be_cut_out_say_why(points: list[list[float]], fault: str) -> None:
    found = box_fault(tuple((x, y) for x, y in points), 80, 60)
    assert fault in found
    assert bool(fault) == bool(found)


def test_a_page_that_was_photographed_lying_has_the_size_it_is_seen_with() -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 60)).save(out, format="JPEG", exif=exif)
    check = check_image(out.getvalue())
    assert (check.width, check.height) == (60, 80)


def test_members_of_archives_lie_where_they_would_when_unpacked_in_place(invoke: Invoke) -> None:
    etag = put("incoming/meters/april/scan.zip", b"an archive")
    put("incoming/meters/april/images/2.png", png(20))
    identifier = hashlib.sha256(f"april/scan.zip\n{etag}".encode()).hexdigest()[:16]
    root = f"extracted/meters/{identifier}"
    put(f"{root}/images/1.png", png(1))
    put(f"{root}/images/2.png", png(2))
    put(f"{root}/labels/train.txt", "images/1.png\t1\nimages/2.png\t2\n")
    found = {"code": "nested_archive", "where": "meters/april/scan.zip member x.zip", "detail": "x"}
    index = {"archive": "april/scan.zip", "etag": etag, "members": 3, "problems": [found]}
    put(f"{root}.json", json.dumps(index))
    stale = "extracted/meters/0123456789abcdef"
    put(f"{stale}/labels/train.txt", "images/1.png\told\n")
    put(f"{stale}.json", json.dumps({**index, "etag": "older"}))
    answer, report = validate(invoke, "meters")
    assert problems(answer) == {"nested_archive": 1}
    used = "".join(get(f"runs/{RUN}/datasets/meters/{part}.txt") for part in ("train", "holdout"))
    # What lies there loose wins over a member of the same name.
    assert sorted(used.splitlines()) == [
        f"{root}/images/1.png\t1",
        "incoming/meters/april/images/2.png\t2",
    ]
    assert report["datasets"][0]["label_files"] == ["april/labels/train.txt"]
    taken = item("UPLOAD", "meters/april/scan.zip")
    assert taken is not None
    assert taken["taken_etag"] == etag


def test_an_archive_that_is_not_unpacked_yet_is_left_for_the_next_run(
    invoke: Invoke, ledger: Ledger
) -> None:
    from retraining.ledger_items import Seen

    drop("meters", 3)
    etag = put("incoming/meters/more.zip", b"an archive")
    ledger.record_upload(Seen("meters", "more.zip", etag, "01", 1, ""), NOW)
    validate(invoke, "meters")
    assert [each.relative for each in ledger.pending_uploads()] == ["more.zip"]


def test_pages_of_an_export_with_cropped_lines_are_not_read_twice(invoke: Invoke) -> None:
    put("incoming/meters/crop_img/1.png", png(1))
    put("incoming/meters/page.png", png(2, (80, 60)))
    put("incoming/meters/rec_gt.txt", "crop_img/1.png\t1\n")
    put("incoming/meters/Label.txt", f"page.png\t{page(('1', SQUARE))}\n")
    answer, _ = validate(invoke, "meters")
    assert problems(answer) == {"superseded_label_file": 1}
    assert answer["train_lines"] + answer["holdout_lines"] == 1


def rejecting(clients: ModuleType) -> Any:  # noqa: ANN401
    validator = clients.validator()
    settings = validator.settings.model_copy(update={"on_missing_images": "reject"})
    return replace(validator, settings=settings)


def test_a_dataset_with_missing_images_is_set_aside_whole_where_that_is_asked_for(
    clients: ModuleType, ledger: Ledger
) -> None:
    drop("meters", 5)
    drop("plates", 5, first_seed=50)
    put("incoming/meters/labels/zz.txt", "images/gone.png\t1\n")
    answer = rejecting(clients).validate(RUN, ["meters", "plates"], NOW - timedelta(days=300))
    assert answer["train_lines"] + answer["holdout_lines"] == 5
    report = json.loads(get(f"runs/{RUN}/validation.json"))
    meters, plates = report["datasets"]
    assert meters["unused_lines"] == {"incomplete_dataset": 5, "missing_image": 1}
    assert meters["set_aside"].startswith("was set aside because 1 image is missing")
    assert plates["set_aside"] == ""
    assert get(f"runs/{RUN}/datasets/meters/train.txt") == ""
    assert ledger.pending_uploads() == ()


def test_a_run_of_incomplete_datasets_alone_says_why_there_is_nothing_to_train(
    clients: ModuleType,
) -> None:
    drop("meters", 5)
    put("incoming/meters/labels/zz.txt", "images/gone.png\t1\nimages/lost.png\t1\n")
    answer = rejecting(clients).validate(RUN, ["meters"], NOW - timedelta(days=300))
    assert answer["reason"] == (
        "meters was set aside because 2 images are missing (OnMissingImages is reject)."
    )


def test_while_images_are_missing_the_full_list_is_a_click_away(invoke: Invoke) -> None:
    names = [f"images/{number:03d}.png" for number in range(50)]
    put("incoming/meters/labels/train.txt", "".join(f"{each}\t1\n" for each in names))
    answer, report = validate(invoke, "meters")
    assert answer["missing_count"] == 50
    assert answer["missing_first"] == [f"incoming/meters/{each}" for each in names[:20]]
    assert [each["key"] for each in rows("missing")] == [
        f"incoming/meters/{each}" for each in names
    ]
    assert report["missing_uri"] == f"s3://{BUCKET}/runs/{RUN}/missing.jsonl"


def test_an_image_keeps_its_side_in_later_runs_under_other_names(
    invoke: Invoke, clients: ModuleType
) -> None:
    drop("meters", 70)
    validate(invoke, "meters")
    sides = {
        png(int(row.split("/")[-1].split(".")[0])): part
        for part in ("train", "holdout")
        for row in get(f"runs/{RUN}/datasets/meters/{part}.txt").splitlines()
        for row in [row.split("\t")[0]]
    }
    for number in range(70):
        put(f"incoming/again/{number}-renamed.png", png(number))
    # A small drop would not hold these out by itself; a val.txt would hold all of them out.
    put(
        "incoming/again/labels/val.txt",
        "".join(f"{number}-renamed.png\t{1000 + number}\n" for number in range(70)),
    )
    answer, report = validate(invoke, "again")
    held = sum(side == "holdout" for side in sides.values())
    assert (answer["train_lines"], answer["holdout_lines"]) == (0, held)
    assert report["datasets"][0]["unused_lines"] == {"trained_before": 70 - held}
