"""A drop with characters that the model cannot write yet: they are learnt, served and kept.

The tests share one cloud of their own and build on each other, in the order of this file.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.digit_lines import plain, texts, write_texts
from tests.integration.stack import Done, Stack, running

pytestmark = pytest.mark.cloud

HEXADECIMAL = "0123456789ABCDEF"
LETTERS = "ABCDEF"
TYPO = "\u00d8"


@dataclass(frozen=True)
class Run:
    """A run as its execution and the watching person saw it."""

    arn: str
    output: dict[str, Any]
    watched: Done


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("local-cloud")) as stack:
        yield stack


@pytest.fixture(scope="module")
def old_dictionary(cloud: Stack) -> list[str]:
    return dictionary_of(cloud, cloud.serving_package())


@pytest.fixture(scope="module")
def first(cloud: Stack, old_dictionary: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of a drop whose labels hold letters, and in two lines a typo."""
    assert not set(LETTERS) & set(old_dictionary)
    folder = tmp_path_factory.mktemp("data") / "serials"
    train, holdout = labelled(200, seed=11), labelled(60, seed=12)
    typos = [("10", f"1{TYPO}"), ("A0", f"A{TYPO}")]
    write_texts(folder, plain, {"train": [*train, *typos], "val": holdout}, seed=13)
    return dropped(cloud, folder)


def labelled(count: int, seed: int) -> list[tuple[str, str]]:
    drawn = texts(count, np.random.default_rng(seed), HEXADECIMAL)
    return list(zip(drawn, drawn, strict=True))


def dropped(stack: Stack, folder: Path) -> Run:
    done = stack.run("drop", folder)
    assert done.code == 0, done.stderr
    watched = stack.run("watch", "--timeout", "240")
    run = stack.runs()[0]
    assert run["status"] == "SUCCEEDED", watched.stdout + watched.stderr
    return Run(run["executionArn"], run["output"], watched)


def dictionary_of(stack: Stack, package_arn: str) -> list[str]:
    """The characters in the artefact of a package, in the order of the model's outputs."""
    package = stack.sagemaker.describe_model_package(ModelPackageName=package_arn)
    uri = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    with tarfile.open(fileobj=io.BytesIO(stack.read_bytes(uri))) as archive:
        member = archive.extractfile("dict.txt")
        assert member is not None
        return member.read().decode("utf-8").removesuffix("\n").split("\n")


def test_validation_lists_the_new_characters_and_names_the_typo(cloud: Stack, first: Run) -> None:
    answer = first.output["validation"]
    report = cloud.read_json(answer["report"])
    assert set(report["new_characters"]) == set(LETTERS)
    assert min(report["new_characters"].values()) >= 5
    assert report["rare_characters"] == {TYPO: {"lines": 2, "needed": 5}}
    assert answer["new_character_count"] == 6
    assert answer["train_lines"] == 200
    (problem,) = answer["problems"]
    assert (problem["code"], problem["count"]) == ("unknown_character", 2)
    assert problem["first"][0].startswith("serials/labels/train.txt line 201: ")
    assert "2 usable train lines hold it, 5 are needed" in problem["first"][0]


def test_the_training_job_is_told_what_to_add(cloud: Stack, first: Run) -> None:
    folder = first.output["validation"]["report"].rpartition("/")[0]
    assert cloud.read_text(f"{folder}/labels/new_characters.txt") == "A\nB\nC\nD\nE\nF\n"
    assert TYPO not in cloud.read_text(f"{folder}/labels/train.txt")


def test_the_result_is_told_with_the_new_characters(cloud: Stack, first: Run) -> None:
    history = cloud.stepfunctions.get_paginator("get_execution_history")
    events = [
        event
        for page in history.paginate(executionArn=first.arn)
        for event in page["events"]
        if event["type"] == "TaskScheduled"
    ]
    told = json.loads(events[-1]["taskScheduledEventDetails"]["parameters"])["Payload"]["result"]
    new, others = told["validation"]["character_notes"]
    assert new.startswith("6 new characters: ")
    assert others.startswith(f"1 character not learnt: '{TYPO}' U+00D8 (2 usable train lines")
    assert "6 new characters: " in first.watched.stdout
    assert TYPO in first.watched.stdout


def test_the_promoted_model_can_write_them_and_all_it_could_write_before(
    cloud: Stack, old_dictionary: list[str], first: Run
) -> None:
    assert first.output["outcome"] == "Promoted", first.output["reason"]
    package = first.output["package_arn"]
    assert dictionary_of(cloud, package) == [*old_dictionary, *LETTERS]
    about = cloud.sagemaker.describe_model_package(ModelPackageName=package)
    uri = about["CustomerMetadataProperties"]["dictionary_uri"]
    assert cloud.read_text(uri).split("\n")[:-1] == [*old_dictionary, *LETTERS]


def test_the_endpoint_reads_lines_with_them(cloud: Stack, first: Run, tmp_path: Path) -> None:
    assert cloud.serving_package() == first.output["package_arn"]
    lines = [line for line in labelled(40, seed=14) if set(line[0]) & set(LETTERS)]
    folder = write_texts(tmp_path / "fresh", plain, {"test": lines}, seed=15)
    done = cloud.run("predict", *sorted((folder / "images").iterdir()), "--json")
    assert done.code == 0, done.stderr
    read = [each["predictions"][0]["text"] for each in json.loads(done.stdout)]
    right = sum(text == said for text, (_, said) in zip(read, lines, strict=True))
    assert right > len(lines) / 2, list(zip(read, lines, strict=True))


def test_the_next_drop_starts_from_the_grown_dictionary(
    cloud: Stack, first: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "more-serials"
    write_texts(
        folder, plain, {"train": labelled(24, seed=16), "val": labelled(24, seed=17)}, seed=18
    )

    second = dropped(cloud, folder)

    assert second.output["validation"]["problems"] == []
    assert second.output["validation"]["new_character_count"] == 0
    assert second.output["validation"]["train_lines"] == 24
    plan = cloud.read_json(second.output["validation"]["report"].replace("validation", "plan"))
    assert plan["champion"]["package_arn"] == first.output["package_arn"]
    assert plan["new_characters"] == []
    assert second.output["outcome"] in ("Promoted", "Rejected")
