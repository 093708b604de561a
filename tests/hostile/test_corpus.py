"""Everything that people and attackers drop has one named outcome, and spoils nothing beside it."""

import json
import random
import warnings
from typing import cast

import pytest

from retraining import s3_layout
from retraining.images import check_image
from retraining.label_files import parse_label_file
from retraining.label_paths import OutsideDatasetError, candidates
from retraining.storage import Bucket
from retraining.unpacking import Unpacker

from . import archives, images, keys, label_files
from .archives import ArchiveCase
from .label_files import LabelCase
from .memory_bucket import MemoryBucket

FEWEST_CASES = 150


def unpack(bucket: MemoryBucket) -> None:
    answer = Unpacker(cast("Bucket", bucket)).unpack([s3_layout.drop_root("meters")], lambda: True)
    assert answer["unfinished"] is False


def outcome(bucket: MemoryBucket, relative: str, etag: str) -> tuple[tuple[str, ...], list[str]]:
    """Tell the problems of an archive and the members that were taken of it."""
    archive = s3_layout.archive_id(relative, etag)
    index = json.loads(bucket.objects[s3_layout.archive_index("meters", archive)])
    prefix = s3_layout.archive_members("meters", archive)
    taken = [key.removeprefix(prefix) for key in bucket.objects if key.startswith(prefix)]
    assert index["members"] == len(taken)
    assert sum(index["counts"].values()) == len(index["problems"])
    return tuple(each["code"] for each in index["problems"]), sorted(taken)


@pytest.mark.parametrize("case", label_files.CASES, ids=lambda case: case.name)
def test_a_label_file_has_its_outcome(case: LabelCase) -> None:
    rows = list(parse_label_file(case.file, [case.content]))
    found = [line for row in rows for line in row.lines]
    assert tuple(each.code for row in rows for each in row.problems) == case.problems
    assert len(found) == case.lines
    # What is used can be written down and read again.
    for line in found:
        assert not {"\t", "\n", "\r", "\0"} & set(line.path + line.text)
        (line.path + line.text).encode()
    json.dumps([[each.where, each.detail] for row in rows for each in row.problems]).encode()


@pytest.mark.parametrize("case", archives.CASES, ids=lambda case: case.name)
def test_an_archive_has_its_outcome(case: ArchiveCase) -> None:
    bucket = MemoryBucket()
    etag = bucket.put("incoming/meters/week.zip", case.content)
    unpack(bucket)
    assert outcome(bucket, "week.zip", etag) == (case.problems, sorted(case.taken))


def test_archives_neither_spoil_each_other_nor_leave_their_place() -> None:
    bucket = MemoryBucket()
    etags = [
        bucket.put(f"incoming/meters/{number:03}.zip", case.content)
        for number, case in enumerate(archives.CASES)
    ]
    unpack(bucket)
    allowed = tuple(
        s3_layout.archive_members("meters", s3_layout.archive_id(f"{number:03}.zip", etag))
        for number, etag in enumerate(etags)
    )
    for number, (case, etag) in enumerate(zip(archives.CASES, etags, strict=True)):
        assert outcome(bucket, f"{number:03}.zip", etag) == (case.problems, sorted(case.taken))
    for key in bucket.objects:
        path = key.split("/")
        assert not {"", ".", ".."} & set(path), key
        assert len(key.encode()) <= 1024
        assert key.startswith((*allowed, "incoming/")) or key.endswith(".json")


def test_an_archive_that_is_damaged_anywhere_is_read_as_far_as_it_goes() -> None:
    chance = random.Random(4)
    whole = [case.content for case in archives.CASES if 100 < len(case.content) < 60_000]
    bucket = MemoryBucket()
    for number in range(400):
        damaged = bytearray(chance.choice(whole))
        for _ in range(chance.choice((1, 2, 16))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        bucket.put(f"incoming/meters/{number:03}.zip", bytes(damaged))
    unpack(bucket)
    indexes = [key for key in bucket.objects if key.endswith(".json")]
    assert len(indexes) == 400
    for key in bucket.objects:
        assert not {"", ".", ".."} & set(key.split("/")), key


@pytest.mark.parametrize("name", images.CASES)
def test_an_image_is_unreadable_and_says_why(name: str) -> None:
    with warnings.catch_warnings():
        # Pillow warns of the bombs that it is about to be kept from.
        warnings.simplefilter("ignore")
        assert check_image(images.CASES[name]).problem


@pytest.mark.parametrize("key", keys.ANNOUNCED, ids=ascii)
def test_a_key_announces_an_upload_or_does_not(key: str) -> None:
    upload = s3_layout.label_upload(key)
    assert (upload is not None) is keys.ANNOUNCED[key]
    if upload:
        assert s3_layout.dataset_prefix(upload.dataset) + upload.relative == key


@pytest.mark.parametrize("path", keys.OUTSIDE, ids=ascii)
def test_a_path_that_leads_out_of_the_dataset_is_refused(path: str) -> None:
    with pytest.raises(OutsideDatasetError):
        candidates(path, "labels/train.txt")


@pytest.mark.parametrize("path", keys.INSIDE, ids=lambda path: ascii(path[:40]))
def test_a_path_that_stays_inside_is_looked_for_inside(path: str) -> None:
    for each in candidates(path, "labels/train.txt"):
        assert not {"", ".", ".."} & set(each.split("/"))


def test_the_corpus_is_as_large_as_is_said() -> None:
    corpora = (
        label_files.CASES,
        archives.CASES,
        images.CASES,
        keys.ANNOUNCED,
        keys.OUTSIDE,
        keys.INSIDE,
    )
    assert sum(map(len, corpora)) >= FEWEST_CASES
    assert len({case.name for case in label_files.CASES}) == len(label_files.CASES)
    assert len({case.name for case in archives.CASES}) == len(archives.CASES)
