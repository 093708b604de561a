"""The parts that need no server: transfers, containers, validation and listing."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localcloud.sagemaker_containers import Container, local_path, run
from localcloud.sagemaker_errors import JobInputError, RequestInvalidError
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_names import name_of
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_transfer import DirectorySync, Transfer, pack, unpack
from localcloud.sagemaker_validation import check_parameters

from .harness import IMAGE, Cloud, wait_for


@dataclass
class Uploads(Transfer):
    """Keeps the paths it was to upload."""

    paths: list[str] = field(default_factory=list)

    def upload(self, files: Iterable[Path], root: Path, prefix: S3Location) -> None:
        self.paths += [str(prefix.child(file.relative_to(root).as_posix())) for file in files]


def test_directory_sync_uploads_only_what_changed(tmp_path: Path) -> None:
    (tmp_path / "restored.bin").write_text("from an earlier run")
    uploads = Uploads()
    sync = DirectorySync(uploads, tmp_path, S3Location("bucket", "run/checkpoints"))
    (tmp_path / "new.bin").write_text("new")
    sync.finish()
    assert uploads.paths == ["s3://bucket/run/checkpoints/new.bin"]


def test_packed_directory_unpacks_to_the_same_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inference").mkdir(parents=True)
    (source / "dict.txt").write_text("a")
    (source / "inference/model.onnx").write_bytes(bytes(range(256)))
    pack([source], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "copy")
    assert (tmp_path / "copy/dict.txt").read_text() == "a"
    assert (tmp_path / "copy/inference/model.onnx").read_bytes() == bytes(range(256))


def test_broken_archive_is_reported(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"not an archive")
    with pytest.raises(JobInputError, match="model.tar.gz cannot be unpacked"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "copy")


@pytest.mark.parametrize("uri", ["", "bucket/key", "https://bucket/key", "s3://", "s3:///key"])
def test_other_uris_than_s3_are_refused(uri: str) -> None:
    with pytest.raises(JobInputError, match="is not an S3 URI"):
        S3Location.parse(uri)


def test_container_path_maps_below_the_base(tmp_path: Path) -> None:
    assert local_path(tmp_path, "/opt/ml/processing/input") == tmp_path / "processing/input"
    for path in ("/opt/mlx", "/opt/ml/../etc", "/tmp"):
        with pytest.raises(JobInputError, match="not below /opt/ml"):
            local_path(tmp_path, path)


def test_container_that_ignores_sigterm_is_killed_after_the_grace_period(
    cloud: Cloud, tmp_path: Path
) -> None:
    image = cloud.context.images[IMAGE]
    (tmp_path / "input/config").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "input/config/hyperparameters.json").write_text('{"act": "ignore_term"}')
    environment = {**image.environment(), "SAGEMAKER_BASE_DIR": str(tmp_path)}
    log = tmp_path / "log.txt"
    container = Container("stubborn", image, ["train"], environment, tmp_path, log)
    stop = threading.Event()
    ends = []
    thread = threading.Thread(
        target=lambda: ends.append(run(container, stop=stop, max_seconds=60, grace_seconds=0.3))
    )
    thread.start()
    wait_for(lambda: log.exists() and log.read_text() == "waiting\n")
    stop.set()
    thread.join()
    assert [(end.code, end.ended_by) for end in ends] == [(-9, "stop")]


def test_all_violations_are_reported_at_once() -> None:
    with pytest.raises(RequestInvalidError) as caught:
        check_parameters("ListTrainingJobs", {"MaxResults": 101, "SortBy": "Colour"})
    assert str(caught.value) == (
        "2 validation errors detected: Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100; Value 'Colour' at 'sortBy' failed to "
        "satisfy constraint: Member must satisfy enum value set: [Name, CreationTime, Status]"
    )


def test_missing_member_is_reported() -> None:
    with pytest.raises(RequestInvalidError, match="Value null at 'endpointName' failed.*not be nu"):
        check_parameters("DescribeEndpoint", {})


@dataclass
class Thing:
    name: str
    creation_time: datetime
    status: str = "Completed"

    @property
    def last_modified_time(self) -> datetime:
        return self.creation_time


START = datetime(2026, 1, 1, tzinfo=UTC)
THINGS = [Thing(name, START + timedelta(hours=hour)) for hour, name in enumerate("cab")]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "cab"),
        ({"SortOrder": "Descending"}, "bac"),
        ({"SortBy": "Name"}, "abc"),
        ({"CreationTimeAfter": START.replace(tzinfo=None)}, "ab"),
        ({"LastModifiedTimeBefore": START + timedelta(hours=1)}, "c"),
        ({"NameContains": "A"}, "a"),
    ],
)
def test_listing_sorts_and_filters(query: dict[str, object], names: str) -> None:
    page, token = list_page(THINGS, query)
    assert ("".join(thing.name for thing in page), token) == (names, None)


def test_records_of_the_same_moment_are_listed_newest_first() -> None:
    twins = [Thing("first", START), Thing("second", START)]
    page, _ = list_page(twins, {}, newest_first=True)
    assert [thing.name for thing in page] == ["second", "first"]


def test_bad_page_token_is_refused() -> None:
    with pytest.raises(RequestInvalidError, match="Invalid pagination token"):
        list_page(THINGS, {"NextToken": "bogus!"})


def test_name_is_taken_out_of_an_arn() -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/group/3"
    assert name_of(arn) == "group/3"
    assert name_of("group") == "group"
