from pathlib import Path

import pytest

from benchmarks.datasets import LabelledLine, read_labels
from benchmarks.rounds.judging import Round, falls, table
from benchmarks.rounds.loop import write_folder


def rounds(*scores: dict[str, float]) -> list[Round]:
    names = ("", "displays", "forms")
    return [
        Round(dataset=name, outcome="Promoted", version=number, seconds=60.0, scores=each)
        for number, (name, each) in enumerate(zip(names, scores, strict=True), start=1)
    ]


def test_a_slice_that_falls_by_more_than_a_point_is_named() -> None:
    found = falls(
        rounds(
            {"displays": 0.3, "forms": 0.4, "general": 0.95},
            {"displays": 0.9, "forms": 0.4, "general": 0.97},
            {"displays": 0.88, "forms": 0.8, "general": 0.955},
        )
    )

    assert found == [
        "displays fell from 90.0% to 88.0% in round 2 (forms).",
        "general fell from 97.0% to 95.5% in round 2 (forms).",
    ]


@pytest.mark.parametrize(
    "second",
    [
        {"displays": 0.9, "forms": 0.4, "general": 0.94},
        # Nobody asked for forms yet.
        {"displays": 0.9, "forms": 0.1, "general": 0.95},
    ],
)
def test_a_point_less_is_noise_and_so_is_what_nobody_dropped_yet(second: dict[str, float]) -> None:
    last = {"displays": 0.89, "forms": 0.8, "general": 0.94}

    assert falls(rounds({"displays": 0.3, "forms": 0.4, "general": 0.95}, second, last)) == []


def test_the_table_has_a_row_per_round() -> None:
    text = table(rounds({"general": 0.95}, {"general": 0.96}, {"general": 0.97}))

    assert [line.split("|")[2].strip() for line in text.split("\n")[2:]] == [
        "base model",
        "displays",
        "forms",
    ]


def test_a_dataset_is_written_as_people_upload_it(tmp_path: Path) -> None:
    (tmp_path / "forms/train").mkdir(parents=True)
    (tmp_path / "forms/train/00001.jpg").write_bytes(b"picture")

    folder = write_folder(
        tmp_path / "drop",
        tmp_path,
        {"train.txt": [LabelledLine("forms/train/00001.jpg", "42")]},
    )

    (line,) = read_labels(folder / "labels" / "train.txt")
    assert line.text == "42"
    assert (folder / line.name).read_bytes() == b"picture"
