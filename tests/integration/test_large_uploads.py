"""The images of a large upload are checked by many functions, on the local cloud as on AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.digit_lines import plain, write_folder
from tests.integration.stack import ROOT, Stack

from localcloud import lifecycle

pytestmark = pytest.mark.cloud

IMAGES_PER_FUNCTION = 10


@pytest.fixture
def small_functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose functions read ten images each, and that has no model yet."""
    home = tmp_path_factory.mktemp("small-functions")
    connection = lifecycle.start(
        home,
        ROOT,
        parameters={"ImagesPerFunction": str(IMAGES_PER_FUNCTION)},
        bind_to_this_process=True,
        on_progress=lambda _: None,
    )
    try:
        yield Stack(home, connection.environment(), dict(connection.outputs))
    finally:
        lifecycle.stop(home)


def ended(stack: Stack, seconds: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runs = stack.runs()
        if runs and runs[0]["status"] != "RUNNING":
            return runs[0]
        time.sleep(0.5)
    raise AssertionError(f"no run ended within {seconds} seconds")


def test_every_shard_is_checked_by_an_execution_of_its_own(
    small_functions: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stack = small_functions
    folder = tmp_path_factory.mktemp("data") / "plain"
    write_folder(folder, plain, {"train": 35, "val": 20}, seed=1)
    for path in sorted(folder.rglob("*.*")):
        key = f"incoming/plain/{path.relative_to(folder).as_posix()}"
        stack.s3.upload_file(str(path), stack.outputs["BucketName"], key)

    run = ended(stack)

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
