"""What happens to uploads before anything is trained: many images at once, and archives."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.digit_lines import plain, write_folder
from tests.integration.stack import ROOT, Stack, recording

from localcloud import lifecycle

pytestmark = pytest.mark.cloud

IMAGES_PER_FUNCTION = 10


@pytest.fixture(scope="module")
def small_functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose functions read ten images each, and that has no model yet."""
    home = tmp_path_factory.mktemp("small-functions")
    connection = lifecycle.start(
        home,
        ROOT,
        parameters={"ImagesPerFunction": str(IMAGES_PER_FUNCTION)},
        bind_to_this_process=True,
        record=recording(),
        on_progress=lambda _: None,
    )
    try:
        yield Stack(home, connection.environment(), dict(connection.outputs))
    finally:
        lifecycle.stop(home)


def ended(stack: Stack, dataset: str, seconds: float = 600) -> dict[str, Any]:
    """Wait until a run with that dataset has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for run in stack.runs():
            if dataset in json.loads(run["input"])["datasets"] and run["status"] != "RUNNING":
                return run
        time.sleep(0.5)
    raise AssertionError(f"no run ended within {seconds} seconds")


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def test_every_shard_is_checked_by_an_execution_of_its_own(
    small_functions: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stack = small_functions
    folder = tmp_path_factory.mktemp("data") / "plain"
    write_folder(folder, plain, {"train": 35, "val": 20}, seed=1)
    for path in sorted(folder.rglob("*.*")):
        key = f"incoming/plain/{path.relative_to(folder).as_posix()}"
        stack.s3.upload_file(str(path), stack.outputs["BucketName"], key)

    run = ended(stack, "plain")

    # Everything that can be done without a model to start from.
    assert run["status"] == "FAILED"
    assert "No approved model" in run["cause"]
    root = f"s3://{stack.outputs['BucketName']}/runs/{run['name']}"
    shards = stack.read_json(f"{root}/images/shards.json")
    assert shards == ["00000", "00001", "00002", "00003", "00004", "00005"]
    checked = [
        json.loads(row)
        for each in shards
        for row in stack.read_text(f"{root}/images/{each}.checked.jsonl").splitlines()
    ]
    assert len(checked) == 55
    report = stack.read_json(f"{root}/validation.json")
    assert (report["train_lines"], report["holdout_lines"]) == (35, 20)
    assert len(stack.read_text(f"{root}/datasets/plain/train.txt").splitlines()) == 35
    history = stack.stepfunctions.get_execution_history(executionArn=run["executionArn"])["events"]
    kinds = [each["type"] for each in history]
    assert "MapRunStarted" in kinds
    assert "MapRunSucceeded" in kinds


def test_archives_are_unpacked_and_their_lines_are_used(
    small_functions: Stack, tmp_path: Path
) -> None:
    stack = small_functions
    bucket = stack.outputs["BucketName"]
    golden = zipped(write_folder(tmp_path / "golden", plain, {"test": 5}, seed=2))
    packed = zipped(write_folder(tmp_path / "packed", plain, {"train": 30, "val": 25}, seed=3))
    stack.s3.put_object(Bucket=bucket, Key="golden/marked/marked.zip", Body=golden)
    stack.s3.put_object(Bucket=bucket, Key="incoming/packed/packed.zip", Body=packed)

    run = ended(stack, "packed")

    root = f"s3://{bucket}/runs/{run['name']}"
    assert len(stack.read_text(f"{root}/datasets/packed/train.txt").splitlines()) == 30
    keys = stack.s3.list_objects_v2(Bucket=bucket, Prefix="extracted/")["Contents"]
    assert sum(each["Key"].startswith("extracted/marked/") for each in keys) >= 5


def test_the_ages_that_alarms_watch_are_measured(small_functions: Stack) -> None:
    name = f"{small_functions.outputs['Prefix']}-take-stock"
    answer = small_functions.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    assert "FunctionError" not in answer
