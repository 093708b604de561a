from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ocr_retrain.demo_data import DemoData, DemoDataError, Sizes, build
from ocr_retrain.demo_data import builder as building

from .conftest import SMALL

Contents = Callable[[Path], dict[str, bytes]]


def read_labels(path: Path) -> dict[str, str]:
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    assert all(line.count("\t") == 1 for line in lines)
    return dict(line.split("\t") for line in lines)


def test_each_part_has_the_lines_asked_for_and_their_images(small: DemoData) -> None:
    for folder, labels, count in (
        (small.dataset, "train.txt", SMALL.train),
        (small.dataset, "val.txt", SMALL.holdout),
        (small.golden, "test.txt", SMALL.golden),
    ):
        lines = read_labels(folder / "labels" / labels)
        assert len(lines) == count
        for name, text in lines.items():
            with Image.open(folder / name) as image:
                assert image.height >= 30
                assert image.mode == "RGB"
            assert text == text.strip() != ""


def test_the_drop_holds_nothing_but_images_and_labels(small: DemoData, contents: Contents) -> None:
    files = set(contents(small.dataset))
    train = read_labels(small.dataset / "labels" / "train.txt")
    holdout = read_labels(small.dataset / "labels" / "val.txt")
    assert files == {"labels/train.txt", "labels/val.txt", *train, *holdout}
    assert not set(train) & set(holdout)


def test_lines_are_photographed_and_scanned(small: DemoData) -> None:
    formats = {}
    for name in read_labels(small.dataset / "labels" / "train.txt"):
        with Image.open(small.dataset / name) as image:
            formats[Path(name).suffix] = image.format
    assert formats == {".jpg": "JPEG", ".png": "PNG"}


def test_samples_come_with_their_truth(small: DemoData) -> None:
    assert len(small.samples) == SMALL.samples
    for path, truth in small.samples:
        assert path.suffix in {".jpg", ".png"}
        assert path.is_file()
        assert truth.isdigit()
    assert len({path for path, _ in small.samples}) == SMALL.samples


def test_the_folders_are_named_after_dataset_and_golden_set(small: DemoData) -> None:
    assert small.dataset.name == small.dataset_name == "handwriting"
    assert small.golden.name == "general"


def test_the_same_seed_gives_the_same_files(
    small: DemoData, tmp_path: Path, contents: Contents
) -> None:
    again = build(tmp_path / "again", sizes=SMALL)
    assert contents(again.dataset.parent) == contents(small.dataset.parent)


def test_another_seed_gives_other_lines(small: DemoData, tmp_path: Path) -> None:
    other = build(tmp_path / "other", seed=1, sizes=SMALL)
    for labels in ("train.txt", "val.txt"):
        assert read_labels(other.dataset / "labels" / labels) != read_labels(
            small.dataset / "labels" / labels
        )


def test_a_longer_part_begins_with_the_same_lines(
    small: DemoData, tmp_path: Path, contents: Contents
) -> None:
    longer = build(tmp_path / "longer", sizes=Sizes(train=20, holdout=6, samples=6, golden=12))
    old, new = contents(small.dataset / "images"), contents(longer.dataset / "images")
    assert {name: new[name] for name in old} == old


def test_a_complete_build_is_returned_without_making_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path / "data", sizes=SMALL)

    def fail(*_: object) -> None:
        raise AssertionError("made the demo data again")

    monkeypatch.setattr(building, "_write_all", fail)
    assert build(tmp_path / "data", sizes=SMALL) == first


def test_a_build_that_lost_an_image_is_made_again(tmp_path: Path) -> None:
    data = build(tmp_path / "data", sizes=SMALL)
    image = next((data.dataset / "images").iterdir())
    before = image.read_bytes()
    image.unlink()
    build(tmp_path / "data", sizes=SMALL)
    assert image.read_bytes() == before


def test_a_build_of_another_seed_replaces_the_old_one(tmp_path: Path) -> None:
    build(tmp_path / "data", sizes=SMALL)
    replaced = build(tmp_path / "data", seed=1, sizes=SMALL)
    assert read_labels(replaced.dataset / "labels" / "train.txt") == read_labels(
        build(tmp_path / "other", seed=1, sizes=SMALL).dataset / "labels" / "train.txt"
    )


def test_a_failed_build_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(building, "make_general_line", fail)
    with pytest.raises(OSError, match="disk full"):
        build(tmp_path / "data", sizes=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("mine")
    with pytest.raises(DemoDataError, match="holds something else"):
        build(tmp_path, sizes=SMALL)
    assert precious.read_text() == "mine"


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("mine")
    with pytest.raises(DemoDataError, match="holds something else"):
        build(precious, sizes=SMALL)
    assert precious.read_text() == "mine"
