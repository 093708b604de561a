from pathlib import Path

import pytest

from benchmarks.datasets import Data, characters
from benchmarks.domains import DOMAINS, KEPT, cyrillic, lettering

ROOT = Path(__file__).resolve().parents[3]


def contents(data: Data) -> dict[str, bytes]:
    files = (path for path in data.directory.rglob("*") if path.is_file())
    return {path.relative_to(data.directory).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_gives_the_same_lines_again(domain: str, tmp_path: Path) -> None:
    first, second = Data(tmp_path / "first"), Data(tmp_path / "second")

    for data in (first, second):
        data.train(domain, 3, 1)
        data.test(domain, 3)

    assert contents(first) == contents(second)
    assert len(contents(first)) == 2 * (3 + 1)


@pytest.mark.parametrize("name", KEPT)
def test_what_must_not_be_forgotten_is_the_same_again(name: str, tmp_path: Path) -> None:
    first, second = Data(tmp_path / "first"), Data(tmp_path / "second")

    assert first.kept(name, 3) == second.kept(name, 3)
    assert contents(first) == contents(second)


def test_asking_for_more_lines_keeps_the_ones_that_are_there(tmp_path: Path) -> None:
    data = Data(tmp_path)
    few = data.test("dot-matrix", 2)
    before = contents(data)

    more = data.test("dot-matrix", 4)

    assert more[:2] == few
    images = {name: content for name, content in before.items() if not name.endswith(".txt")}
    assert images.items() <= contents(data).items()


def test_two_seeds_share_no_line(tmp_path: Path) -> None:
    data = Data(tmp_path)

    first, second = data.train("seven-segment", 3, 1), data.train("seven-segment", 3, 2)

    assert len(first) == len(second) == 3
    assert not {line.name for line in first} & {line.name for line in second}


def test_the_new_alphabet_brings_more_than_forty_letters(tmp_path: Path) -> None:
    lines = Data(tmp_path).train("cyrillic", 100, 1)

    # Six of them the base model knows.
    assert len([each for each in characters(lines) if not each.isascii()]) >= 46


def test_training_and_test_of_the_new_alphabet_share_no_font() -> None:
    trained = {face.package for face in cyrillic.TRAIN_FACES}

    assert trained.isdisjoint(face.package for face in cyrillic.TEST_FACES)


def test_the_trainer_renders_its_own_lines_in_none_of_the_benchmarks_fonts() -> None:
    trainers = (ROOT / "containers/training/finetuning/fonts.py").read_text(encoding="utf-8")
    faces = (*cyrillic.TRAIN_FACES, *cyrillic.TEST_FACES, *lettering.FACES)

    assert "font_manrope" in trainers
    assert not [face.package for face in faces if face.package in trainers]
