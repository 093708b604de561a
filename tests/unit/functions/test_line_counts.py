"""Counting what has arrived, in bounded time."""

from typing import Any

import pytest

from retraining import line_counts
from retraining.ledger_items import Upload
from retraining.line_counts import LineCounter, count_lines
from retraining.storage import Bucket

from .conftest import put
from .memory_cloud import refusal


@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", 0), (b"a\t1", 1), (b"a\t1\n", 1), (b"a\t1\nb\t2", 2), (b"a\t1\r\nb\t2\r\n", 2)],
)
def test_lines_end_with_a_line_feed_or_the_file(content: bytes, lines: int) -> None:
    assert count_lines([content[:3], content[3:]], len(content)) == lines


def test_a_long_file_is_estimated_from_its_beginning() -> None:
    chunks = iter([b"a\t1\n" * 25] * 100)
    assert count_lines(chunks, 10_000, most_bytes=1_000) == 2_500
    assert next(chunks), "the rest was read for nothing"


def upload(relative: str, size: int = 8, **more: Any) -> Upload:
    return Upload("meters", relative, "e", "", "", size=size, **more)


def test_only_label_files_that_were_not_counted_are_read(bucket: Bucket) -> None:
    put("incoming/meters/labels/train.txt", "a\t1\nb\t2\n")
    new = upload("labels/train.txt")
    gone = upload("labels/gone.txt")
    given = [upload("labels/known.txt", lines=7), new, gone, upload("drop.zip")]
    assert list(LineCounter(bucket).count(given)) == [(new, 2), (gone, 0)]


def test_a_file_that_cannot_be_read_now_stays_uncounted_and_keeps_nothing_back(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise refusal("SlowDown", "GetObject")

    monkeypatch.setattr(Bucket, "stream", refuse)
    assert list(LineCounter(bucket).count([upload("labels/train.txt")])) == []


def test_a_storm_of_files_is_not_counted_to_its_end(bucket: Bucket) -> None:
    put("incoming/meters/labels/train.txt", "a\t1\n")
    times = iter([0.0, 1.0, 2.0, line_counts.MOST_SECONDS + 1])
    counter = LineCounter(bucket, lambda: next(times))
    assert len(list(counter.count([upload("labels/train.txt")] * 5))) == 2
