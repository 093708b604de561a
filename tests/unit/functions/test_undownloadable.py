"""Images that S3 can hold and no file system can cost their own lines only."""

from collections.abc import Callable
from typing import Any

import pytest

from retraining import s3_layout

from .conftest import RUN, drop, get, png, put
from .test_coverage import problems, validate

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
LONG = "é" * 130 + ".png"


def test_a_name_that_is_too_long_is_set_aside(invoke: Invoke) -> None:
    drop("meters", 5)
    put(f"incoming/meters/images/{LONG}", png(90))
    put("incoming/meters/labels/more.txt", f"images/{LONG}\t7\n")
    answer, report = validate(invoke, "meters")
    assert problems(answer) == {"unusable_name": 1}
    assert answer["train_lines"] + answer["holdout_lines"] == 5
    (problem,) = report["problems"]
    assert "has a name of more than 255 bytes" in problem["first"][0]


def test_of_a_file_that_is_also_a_folder_the_file_is_set_aside(invoke: Invoke) -> None:
    drop("meters", 5)
    for number, path in enumerate(["images/0.png/deep/a.png", "images/0.png/b.png"]):
        put(f"incoming/meters/{path}", png(90 + number))
    put("incoming/meters/labels/more.txt", "images/0.png/deep/a.png\t7\nimages/0.png/b.png\t8\n")
    answer, report = validate(invoke, "meters")
    assert problems(answer) == {"unusable_name": 1}
    assert report["problems"][0]["first"][0].endswith(
        "images/0.png is a file and a folder at the same time"
    )
    used = "".join(get(f"runs/{RUN}/datasets/meters/{part}.txt") for part in ("train", "holdout"))
    assert "images/0.png\t" not in used
    assert "images/0.png/deep/a.png\t7" in used


def test_what_no_line_names_and_what_lies_in_another_dataset_harms_nothing(
    invoke: Invoke,
) -> None:
    drop("meters", 5)
    put("incoming/meters/images/0.png/unused.png", png(91))
    put("incoming/plates/images/0.png/used.png", png(92))
    put("incoming/plates/labels/train.txt", "images/0.png/used.png\t7\n")
    answer, _ = validate(invoke, "meters", "plates")
    assert answer["problems"] == []


@pytest.mark.parametrize("name", ["x" * 101, "\U0001f600" * 61], ids=["letters", "bytes"])
def test_a_dataset_whose_name_no_file_can_have_starts_nothing(name: str) -> None:
    assert s3_layout.label_upload(f"incoming/{name}/labels/train.txt") is None
    assert s3_layout.label_upload(f"incoming/{name[:50]}/labels/train.txt") is not None
