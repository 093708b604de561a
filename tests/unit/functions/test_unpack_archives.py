import io
import json
import random
import threading
import zipfile
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from retraining import archive_files, archive_members, bounded_uploads, s3_layout, unpacking
from retraining.archive_files import ReplacedError, open_stored
from retraining.archive_streams import SourceError
from retraining.bounded_uploads import BoundedUploads
from retraining.storage import Bucket, StoredObject
from retraining.unpacking import Unpacker

from .conftest import BUCKET, RUN, begin, client, get, put
from .test_archives import FILES, tarred, zipped

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
METERS = s3_layout.drop_root("meters")
REQUEST = {"run_id": RUN, "datasets": ["meters"]}


def keys(prefix: str) -> list[str]:
    listed = client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [each["Key"] for each in listed]


def members(relative: str, etag: str, dataset: str = "meters") -> str:
    return s3_layout.archive_members(dataset, s3_layout.archive_id(relative, etag))


def index(relative: str, etag: str, dataset: str = "meters") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        get(s3_layout.archive_index(dataset, s3_layout.archive_id(relative, etag)))
    )
    return found


@pytest.fixture(autouse=True)
def active(aws: None) -> None:
    begin("meters")


@pytest.fixture
def bucket(clients: ModuleType) -> Bucket:
    return Bucket(boto3.client("s3"), BUCKET)


@pytest.mark.parametrize(
    ("relative", "archive"),
    [
        ("week 46.zip", zipped(FILES)),
        ("week.tar", tarred(FILES)),
        ("week.TGZ", tarred(FILES, "w:gz")),
        ("a/b/week.tar.gz", tarred(FILES, "w:gz")),
        ("named-wrongly.zip", tarred(FILES)),
    ],
)
def test_members_become_objects_and_the_index_tells_of_them(
    invoke: Invoke, relative: str, archive: bytes
) -> None:
    etag = put(f"incoming/meters/{relative}", archive)
    answer = invoke("unpack_archives", REQUEST)
    assert answer == {"archives": 1, "members": 5, "problems": 0, "unfinished": False}
    prefix = members(relative, etag)
    assert keys(prefix) == sorted(prefix + name for name in FILES)
    for name, content in FILES.items():
        stored = client("s3").get_object(Bucket=BUCKET, Key=prefix + name)["Body"].read()
        assert stored == content
    assert index(relative, etag) == {
        "archive": relative,
        "etag": etag,
        "members": 5,
        "bytes": sum(map(len, FILES.values())),
        "passed_over": 0,
        "counts": {},
        "problems": [],
    }


def test_datasets_without_archives_need_nothing(invoke: Invoke) -> None:
    put("incoming/meters/labels/train.txt", "a.png\t1\n")
    put("incoming/other/week.zip", zipped(FILES))
    answer = invoke("unpack_archives", REQUEST)
    assert answer == {"archives": 0, "members": 0, "problems": 0, "unfinished": False}
    assert keys("extracted/") == []


def test_a_second_call_writes_nothing_and_answers_the_same(invoke: Invoke) -> None:
    put("incoming/meters/week.zip", zipped({**FILES, "a.exe": b"1"}))
    first = invoke("unpack_archives", REQUEST)
    listed = client("s3").list_objects_v2(Bucket=BUCKET, Prefix="extracted/")["Contents"]
    assert invoke("unpack_archives", REQUEST) == first
    again = client("s3").list_objects_v2(Bucket=BUCKET, Prefix="extracted/")["Contents"]
    assert [each["LastModified"] for each in again] == [each["LastModified"] for each in listed]
    assert first["problems"] == 1


def test_a_new_version_of_an_archive_is_unpacked_beside_the_old_one(invoke: Invoke) -> None:
    old = put("incoming/meters/week.zip", zipped({"a.png": b"1"}))
    invoke("unpack_archives", REQUEST)
    new = put("incoming/meters/week.zip", zipped({"a.png": b"2"}))
    invoke("unpack_archives", REQUEST)
    assert get(members("week.zip", old) + "a.png") == "1"
    assert get(members("week.zip", new) + "a.png") == "2"


def test_what_is_refused_is_told_by_name_and_the_rest_is_used(invoke: Invoke) -> None:
    etag = put(
        "incoming/meters/week.zip",
        zipped({"../evil.png": b"1", "notes.docx": b"2", "a.png": b"3", "__MACOSX/x": b"4"}),
    )
    answer = invoke("unpack_archives", REQUEST)
    assert (answer["members"], answer["problems"]) == (1, 2)
    found = index("week.zip", etag)
    assert found["problems"] == [
        {
            "code": "outside_archive",
            "where": "meters/week.zip member ../evil.png",
            "detail": "leads out of the archive",
        },
        {
            "code": "ignored_member",
            "where": "meters/week.zip member notes.docx",
            "detail": "is neither an image nor a text file",
        },
    ]
    assert found["passed_over"] == 1
    assert keys("") == [
        f"extracted/meters/{s3_layout.archive_id('week.zip', etag)}.json",
        f"{members('week.zip', etag)}a.png",
        "incoming/meters/week.zip",
    ]


def test_a_broken_archive_keeps_what_came_before_and_leaves_others_alone(invoke: Invoke) -> None:
    content = random.Random(1).randbytes(20_000)
    cut = tarred({"a.png": b"1", "b.png": content})[:10_000]
    etag = put("incoming/meters/cut.tar", cut)
    put("incoming/meters/good.zip", zipped({"c.png": b"2"}))
    answer = invoke("unpack_archives", REQUEST)
    assert answer == {"archives": 2, "members": 2, "problems": 1, "unfinished": False}
    assert keys(members("cut.tar", etag)) == [members("cut.tar", etag) + "a.png"]
    assert index("cut.tar", etag)["counts"] == {"broken_archive": 1}


def test_a_damaged_member_is_not_written(invoke: Invoke) -> None:
    archive = bytearray(zipped({"a.png": b"first!", "b.png": b"second"}, zipfile.ZIP_STORED))
    archive[archive.index(b"first!")] ^= 1
    etag = put("incoming/meters/week.zip", bytes(archive))
    assert invoke("unpack_archives", REQUEST)["members"] == 1
    assert keys(members("week.zip", etag)) == [members("week.zip", etag) + "b.png"]
    assert index("week.zip", etag)["counts"] == {"damaged_member": 1}


def test_an_archive_without_images_or_labels_is_told(invoke: Invoke) -> None:
    etag = put("incoming/meters/empty.zip", zipped({}))
    assert invoke("unpack_archives", REQUEST)["problems"] == 1
    assert index("empty.zip", etag)["counts"] == {"empty_archive": 1}


def test_only_the_first_of_many_problems_are_named_but_all_are_counted(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MOST_PROBLEMS_OF_A_KIND", 2)
    etag = put("incoming/meters/week.zip", zipped({f"{number}.exe": b"" for number in range(5)}))
    assert invoke("unpack_archives", REQUEST)["problems"] == 5
    found = index("week.zip", etag)
    assert len(found["problems"]) == 2
    assert found["counts"] == {"ignored_member": 5}


@pytest.mark.parametrize("damaged", [False, True])
def test_a_large_text_file_is_written_in_parts_or_not_at_all(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    monkeypatch.setattr(unpacking, "LARGEST_IMAGE_BYTES", 1024**2)
    text = random.Random(2).randbytes(10_000_000).hex().encode()
    archive = bytearray(zipped({"labels.txt": text}, zipfile.ZIP_STORED))
    if damaged:
        archive[19_000_000] ^= 1
    etag = put("incoming/meters/week.zip", bytes(archive))
    answer = Unpacker(bucket).unpack([METERS], lambda: True)
    assert answer["members"] == (not damaged)
    written = keys(members("week.zip", etag))
    assert written == ([] if damaged else [members("week.zip", etag) + "labels.txt"])
    if not damaged:
        assert get(written[0]) == text.decode()


# --- time, and being stopped anywhere


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_what_does_not_fit_into_one_call_goes_on_in_the_next(
    bucket: Bucket, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    files = {f"{number}.png": str(number).encode() for number in range(20)}
    etag = put("incoming/meters/week.zip", pack(files))
    put("incoming/meters/zzz.zip", pack({"a.png": b"1"}))
    calls = 0
    while True:
        calls += 1
        moments = iter([True] * (calls * 6))
        answer = Unpacker(bucket).unpack([METERS], lambda it=moments: next(it, False))  # type: ignore[misc]
        if not answer["unfinished"]:
            break
        assert answer["archives"] <= 1
    assert calls > 2
    assert answer == {"archives": 2, "members": 21, "problems": 0, "unfinished": False}
    assert len(keys(members("week.zip", etag))) == 20
    assert index("week.zip", etag)["members"] == 20


class DiesAt:
    """An S3 client that dies at its n-th call, as a killed function does."""

    def __init__(self, real: Any, call: int) -> None:
        self.real, self.left, self.lock = real, call, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise KilledError
        return getattr(self.real, name)


class KilledError(BaseException):
    pass


def test_a_function_that_is_killed_anywhere_loses_nothing(bucket: Bucket) -> None:
    etag = put("incoming/meters/week.zip", zipped(FILES))
    killed, call = 0, 0
    while True:
        call += 1
        for each in keys("extracted/"):
            client("s3").delete_object(Bucket=BUCKET, Key=each)
        try:
            Unpacker(Bucket(DiesAt(boto3.client("s3"), call), BUCKET)).unpack(  # type: ignore[arg-type]
                [METERS], lambda: True
            )
        except KilledError:
            killed += 1
        else:
            break
        answer = Unpacker(bucket).unpack([METERS], lambda: True)
        assert answer == {"archives": 1, "members": 5, "problems": 0, "unfinished": False}
        assert sorted(keys(members("week.zip", etag))) == sorted(
            members("week.zip", etag) + name for name in FILES
        )
    assert killed >= 9


def test_an_archive_that_is_replaced_meanwhile_is_read_anew(bucket: Bucket) -> None:
    put("incoming/meters/week.zip", zipped({"a.png": b"1"}))
    listed = Bucket.list

    def replaced_after_listing(self: Bucket, prefix: str) -> Any:
        found = list(listed(self, prefix))
        put("incoming/meters/week.zip", zipped({"a.png": b"2"}))
        return iter(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "list", replaced_after_listing)
        assert Unpacker(bucket).unpack([METERS], lambda: True)["unfinished"] is True
    assert keys("extracted/") == []
    assert Unpacker(bucket).unpack([METERS], lambda: True)["members"] == 1


def test_a_refusal_of_s3_is_no_fault_of_the_archive(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("incoming/meters/week.tar.gz", tarred(FILES, "w:gz"))

    def slow_down(*_: object) -> bytes:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")

    monkeypatch.setattr(Bucket, "read_part", slow_down)
    with pytest.raises(SourceError, match="SlowDown"):
        Unpacker(bucket).unpack([METERS], lambda: True)
    assert keys("extracted/") == []


# --- the parts


def test_an_object_is_read_as_a_file(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_files, "_BLOCK_BYTES", 16)
    content = random.Random(3).randbytes(1000)
    etag = put("incoming/meters/x.bin", content)
    file = open_stored(bucket, StoredObject("incoming/meters/x.bin", 1000, etag))
    plain = io.BytesIO(content)
    for where, size in ((0, 4), (990, 100), (3, 17), (500, 0), (20, 300), (1000, 5)):
        assert (file.seek(where), file.read(size)) == (plain.seek(where), plain.read(size))
    assert file.seek(-22, io.SEEK_END) == 978
    assert file.read() == content[978:]


def test_an_answer_that_breaks_off_is_asked_for_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = put("incoming/meters/x.bin", b"content")
    real, broken = Bucket.read_part, iter([True, True, False])

    def breaks_off(*given: Any) -> bytes:
        if next(broken):
            raise ResponseStreamingError(error="connection reset")
        return real(*given)

    monkeypatch.setattr(Bucket, "read_part", breaks_off)
    stored = StoredObject("incoming/meters/x.bin", 7, etag)
    assert open_stored(bucket, stored).read() == b"content"


def test_a_replaced_object_is_not_read_on(bucket: Bucket) -> None:
    etag = put("incoming/meters/x.bin", b"content")
    file = open_stored(bucket, StoredObject("incoming/meters/x.bin", 7, etag))
    put("incoming/meters/x.bin", b"another")
    with pytest.raises(ReplacedError):
        file.read()


def test_no_more_bytes_wait_for_upload_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_uploads, "MOST_BYTES_WAITING", 100)
    lock, at_once, most, written = threading.Lock(), 0, 0, []

    def write(key: str, content: bytes) -> None:
        nonlocal at_once, most
        with lock:
            at_once += len(content)
            most = max(most, at_once)
        threading.Event().wait(0.002)
        with lock:
            at_once -= len(content)
            written.append(key)

    with BoundedUploads(write) as uploads:
        for number in range(60):
            uploads.put(str(number), bytes(40))
        uploads.put("larger than all", bytes(400))
    assert len(written) == 61
    assert most == 400
    assert sorted(written)[-1] == "larger than all"


def test_an_upload_that_fails_is_told() -> None:
    def write(key: str, content: bytes) -> None:
        raise OSError(key)

    with pytest.raises(OSError, match="a.png"), BoundedUploads(write) as uploads:
        uploads.put("a.png", b"1")


def test_keys_never_get_too_long(invoke: Invoke) -> None:
    name = "/".join(["x" * 200] * 5) + ".png"
    etag = put("incoming/meters/week.zip", zipped({name: b"1"}))
    assert invoke("unpack_archives", REQUEST)["problems"] == 1
    assert index("week.zip", etag)["counts"] == {"unusable_name": 1}
    assert len(members("week.zip", etag) + name) > archive_members.LONGEST_KEY_BYTES
