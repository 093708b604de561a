from datetime import UTC, datetime
from typing import Any

import pytest

from retraining import s3_layout
from retraining.arrivals import ObjectCreated, record_arrival
from retraining.ledger_items import Seen
from retraining.storage import StoredObject

BUCKET = "labelled-data"
NOW = datetime(2026, 11, 22, 10, 15, 45, tzinfo=UTC)


class OneObject:
    """A bucket with one object."""

    name = BUCKET

    def __init__(self, key: str) -> None:
        self.key = key

    def head(self, key: str) -> StoredObject | None:
        return StoredObject(key, 7, "e1", "v1") if key == self.key else None


class Notes:
    """A ledger that only listens."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def record_upload(self, seen: Seen, now: datetime, **_: Any) -> bool:
        self.seen.append(seen)
        return True


def arrive(key: str, announced: str = "") -> tuple[str, list[tuple[str, str]]]:
    event = ObjectCreated.model_validate(
        {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": BUCKET}, "object": {"key": announced or key}},
        }
    )
    notes = Notes()
    done = record_arrival(event, OneObject(key), notes, NOW)  # type: ignore[arg-type]
    return done, [(each.dataset, each.relative) for each in notes.seen]


@pytest.mark.parametrize(
    "relative",
    [
        "labels/train.txt",
        "LABELS.TXT",
        "week 46.zip",
        "a+b%.ZIP",
        "100%00.txt",
        "100%2e%2e/labels.txt",
        "scans.tar",
        "scans.tar.gz",
        "门牌/扫描.tgz",
    ],
)
def test_label_files_and_archives_are_recorded(relative: str) -> None:
    done, seen = arrive(f"incoming/meters/{relative}")
    assert (done, seen) == ("recorded", [("meters", relative)])


def test_an_archive_is_found_by_its_url_encoded_key() -> None:
    done, seen = arrive("incoming/my data/a+b.zip", "incoming/my+data/a%2Bb.zip")
    assert (done, seen) == ("recorded", [("my data", "a+b.zip")])


@pytest.mark.parametrize(
    "key",
    [
        "incoming/week.zip",
        "incoming/meters/scan.png",
        "incoming/meters/archive.gz",
        "incoming/meters/archive.rar",
        "incoming/meters/zip",
        "incoming//week.zip",
        "incoming/../week.zip",
        "incoming/meters/../other/labels.txt",
        "incoming/meters/./labels.txt",
        "extracted/meters/0123456789abcdef/labels/train.txt",
        "runs/r/labels/train.txt",
        f"incoming/{'x' * 101}/labels.txt",
        "incoming/meters/a\nb.txt",
    ],
)
def test_nothing_else_is(key: str) -> None:
    assert arrive(key)[1] == []


def test_an_archive_is_known_by_path_and_content() -> None:
    first = s3_layout.archive_id("a.zip", "e1")
    assert (
        len({first, s3_layout.archive_id("b.zip", "e1"), s3_layout.archive_id("a.zip", "e2")}) == 3
    )
    assert s3_layout.archive_index("meters", first) == f"extracted/meters/{first}.json"
    assert s3_layout.archive_members("meters", first) == f"extracted/meters/{first}/"
