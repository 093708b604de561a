from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from botocore.exceptions import ClientError

from ocr_retrain.connection import Cloud
from ocr_retrain.dataset_folder import FolderFile, dataset_name, scan
from ocr_retrain.drop import DropResult, drop
from ocr_retrain.errors import UserError
from ocr_retrain.main import execute
from retraining.ledger_items import Pause

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.paginator import ListObjectsV2Paginator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "week-46"
    (root / "images" / "b").mkdir(parents=True)
    (root / "labels").mkdir()
    for name in ("images/1.png", "images/2.jpg", "images/b/ü 3.png"):
        (root / name).write_bytes(name.encode() * 100)
    (root / "labels" / "train.txt").write_text("images/1.png\tone\nimages/2.jpg\ttwo\n")
    (root / "labels" / "val.txt").write_text("images/b/ü 3.png\tthree\n")
    (root / ".DS_Store").write_bytes(b"junk")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "1.png").write_bytes(b"junk")
    return root


class RecordingS3:
    """The S3 client, with the order of its puts, and one key that may fail."""

    def __init__(self, s3: S3Client, broken_key: str = "") -> None:
        self.s3 = s3
        self.keys: list[str] = []
        self.broken_key = broken_key
        self._lock = threading.Lock()

    def upload_file(self, path: str, bucket: str, key: str, **options: Any) -> None:  # noqa: ANN401
        with self._lock:
            self.keys.append(key)
        if key == self.broken_key:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "Slow down"}}, "PutObject")
        self.s3.upload_file(path, bucket, key, **options)

    def get_paginator(self, operation: Literal["list_objects_v2"]) -> ListObjectsV2Paginator:
        return self.s3.get_paginator(operation)


def _drop(
    s3: S3Client | RecordingS3, cloud: Cloud, folder: Path
) -> tuple[DropResult, list[FolderFile]]:
    seen: list[FolderFile] = []
    result = drop(cast("S3Client", s3), cloud.stack.bucket, scan(folder), "week-46", seen.append)
    return result, seen


def test_images_go_first_and_the_train_labels_last(cloud: Cloud, folder: Path) -> None:
    s3 = RecordingS3(cloud.s3)

    result, seen = _drop(s3, cloud, folder)

    assert s3.keys[-2:] == ["incoming/week-46/labels/val.txt", "incoming/week-46/labels/train.txt"]
    assert set(s3.keys[:-2]) == {
        "incoming/week-46/images/1.png",
        "incoming/week-46/images/2.jpg",
        "incoming/week-46/images/b/ü 3.png",
    }
    assert (result.uploaded, result.unchanged) == (5, 0)
    assert result.uri == "s3://labelled-data/incoming/week-46/"
    assert len(seen) == 5


def test_second_drop_sends_only_what_changed_and_the_labels(cloud: Cloud, folder: Path) -> None:
    _drop(cloud.s3, cloud, folder)
    same_size = (folder / "images" / "1.png").read_bytes()[::-1]
    (folder / "images" / "1.png").write_bytes(same_size)
    s3 = RecordingS3(cloud.s3)

    result, seen = _drop(s3, cloud, folder)

    assert s3.keys == [
        "incoming/week-46/images/1.png",
        "incoming/week-46/labels/val.txt",
        "incoming/week-46/labels/train.txt",
    ]
    assert (result.uploaded, result.unchanged) == (3, 2)
    assert len(seen) == 5
    stored = cloud.s3.get_object(Bucket=cloud.stack.bucket, Key="incoming/week-46/images/1.png")
    assert stored["Body"].read() == same_size


def test_labels_stay_back_when_an_image_cannot_be_sent(cloud: Cloud, folder: Path) -> None:
    s3 = RecordingS3(cloud.s3, broken_key="incoming/week-46/images/2.jpg")

    with pytest.raises(ClientError):
        _drop(s3, cloud, folder)

    assert not [key for key in s3.keys if key.endswith(".txt")]


def test_interrupted_drop_continues_where_it_ended(cloud: Cloud, folder: Path) -> None:
    broken = RecordingS3(cloud.s3, broken_key="incoming/week-46/images/2.jpg")
    with pytest.raises(ClientError):
        _drop(broken, cloud, folder)
    arrived = len([key for key in broken.keys if key != broken.broken_key])

    result, _ = _drop(cloud.s3, cloud, folder)

    assert result.unchanged == arrived
    assert result.uploaded == 5 - arrived


def test_an_archive_is_dropped_as_it_is_and_names_its_dataset(
    connected: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "week-47.tar.gz"
    archive.write_bytes(b"content")

    assert execute(["drop", str(archive)]) == 0

    assert "Dataset week-47 is at s3://labelled-data/incoming/week-47/: 1 file sent" in (
        capsys.readouterr().out
    )
    key = "incoming/week-47/week-47.tar.gz"
    assert (
        connected.s3.get_object(Bucket=connected.stack.bucket, Key=key)["Body"].read() == b"content"
    )


def test_archives_in_a_folder_need_no_label_file_and_follow_the_images(
    cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(b"zip")
    (tmp_path / "b.png").write_bytes(b"png")
    s3 = RecordingS3(cloud.s3)

    _drop(s3, cloud, tmp_path)

    assert s3.keys == ["incoming/week-46/b.png", "incoming/week-46/a.zip"]


def test_a_golden_set_is_dropped_where_golden_sets_belong(
    connected: Cloud, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["drop", str(folder), "--golden"]) == 0

    assert "Golden set week-46 is at s3://labelled-data/golden/week-46/" in capsys.readouterr().out


def test_labels_alone_are_refused_unless_images_are_there_already(
    cloud: Cloud, folder: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels-only"
    labels.mkdir()
    (labels / "train.txt").write_text("images/1.png\tone\n")
    with pytest.raises(UserError, match="label files but no image"):
        _drop(cloud.s3, cloud, labels)

    _drop(cloud.s3, cloud, folder)
    result, _ = _drop(cloud.s3, cloud, labels)

    assert result.label_files == ("train.txt",)


def test_command_prints_where_it_went_and_how_to_watch(
    connected: Cloud, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["drop", str(folder)]) == 0

    captured = capsys.readouterr()
    assert "Dataset week-46 is at s3://labelled-data/incoming/week-46/: 5 files" in captured.out
    assert "ocr-retrain watch" in captured.err
    assert "5 of 5 files in place" in captured.err
    assert "AWS account 210987654321" in captured.err


def test_the_same_folder_again_does_not_promise_a_run(
    connected: Cloud, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["drop", str(folder)]) == 0
    capsys.readouterr()
    (folder / "images" / "1.png").write_bytes(b"another picture")
    assert execute(["drop", str(folder)]) == 0
    told = capsys.readouterr().err
    assert "`ocr-retrain retry week-46` starts one" in told
    assert "starts by itself" not in told
    (folder / "labels" / "train.txt").write_text("images/1.png\tanother text\n")
    assert execute(["drop", str(folder)]) == 0
    assert "starts by itself" in capsys.readouterr().err


def test_while_runs_are_paused_a_drop_says_so(
    connected: Cloud, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connected.ledger.pause(Pause("2026", "anna", ""))
    assert execute(["drop", str(folder)]) == 0
    told = capsys.readouterr().err
    assert "Runs are paused; `ocr-retrain resume` lets the retraining begin." in told


def test_command_prints_json_on_stdout_only(
    connected: Cloud, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["drop", str(folder), "--name", "other", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["dataset"] == "other"
    assert answer["uploaded"] == 5
    assert answer["label_files"] == ["labels/val.txt", "labels/train.txt"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is empty"),
        ({"images/1.png": "x"}, "has no label file"),
        ({"images/1.png": "x", "labels/train.txt": ""}, "only empty label files"),
    ],
)
def test_folder_that_cannot_be_a_dataset_is_refused_in_one_sentence(
    tmp_path: Path, files: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)

    assert execute(["drop", str(tmp_path), "--name", "d"]) == 1

    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_dataset_is_named_after_its_folder(folder: Path) -> None:
    assert dataset_name(folder, None) == "week-46"


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "-x", "a b", "x" * 64, "ü", "a\n"])
def test_dataset_names_that_s3_keys_should_not_have_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a dataset"):
        dataset_name(folder, name)
