from pathlib import Path

import pytest

from benchmarks.datasets import LabelledLine
from benchmarks.reading import Reader, Sets, exact_match, recall

LINES = [LabelledLine("1.jpg", "12.5"), LabelledLine("2.jpg", "дом ")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model" / "inference").mkdir(parents=True)
    (tmp_path / "model" / "inference" / "model.onnx").write_bytes(b"network")
    (tmp_path / "model" / "dict.txt").write_text("1\n2\n")
    return tmp_path / "model"


def test_only_whole_lines_count() -> None:
    assert exact_match(LINES, ["12.5", "дом"]) == 1.0
    assert exact_match(LINES, ["125", " дом"]) == 0.5


def test_recall_counts_the_asked_characters_that_their_own_line_was_read_with() -> None:
    lines = [LabelledLine("1.jpg", "дом 1"), LabelledLine("2.jpg", "омм")]

    assert recall(lines, ["мод 7", "м"], {"д", "о", "м"}) == 4 / 6
    assert recall(lines, ["дом 1", "омм"], {"Ж"}) is None


def test_what_a_model_read_once_is_not_read_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def read(self: Reader, _: Path, sets: Sets) -> dict[str, list[str]]:
        asked.append(list(sets))
        return {name: ["12.5" for _ in lines] for name, lines in sets.items()}

    monkeypatch.setattr(Reader, "read", read)
    reader = Reader(tmp_path, tmp_path / "cache")

    assert reader.accuracies(model, {"new": LINES}) == {"new": 0.5}
    assert reader.accuracies(model, {"new": LINES, "general": LINES[:1]}) == {
        "new": 0.5,
        "general": 1.0,
    }
    (model / "inference" / "model.onnx").write_bytes(b"other network")
    reader.accuracies(model, {"new": LINES})

    assert asked == [["new"], ["general"], ["new"]]
