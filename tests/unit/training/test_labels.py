"""Label files and image names: what is malformed is left out, what escapes is refused."""

from pathlib import Path

import pytest

from finetuning.labels import Label, LabelError, image_path, read_labels
from recognition.cropping import BoxError


def test_usable_lines_are_read(tmp_path: Path) -> None:
    content = "\ufeffa.png\tone\r\nb.png\ttwo three\n\nno tab\n\tno key\nno text.png\t \n"
    (tmp_path / "train.txt").write_text(content, encoding="utf-8")

    assert read_labels(tmp_path / "train.txt") == [
        Label("a.png", "one"),
        Label("b.png", "two three"),
    ]


def test_the_corners_of_a_line_are_kept_and_read_when_asked_for(tmp_path: Path) -> None:
    content = "page.png\tone two\t[[1,2.5],[3,2],[3,4],[1,4]]\r\npage.png\tthree\t\n"
    (tmp_path / "train.txt").write_text(content, encoding="utf-8", newline="")

    boxed, whole = read_labels(tmp_path / "train.txt")

    assert boxed == Label("page.png", "one two", "[[1,2.5],[3,2],[3,4],[1,4]]")
    assert boxed.points() == [[1, 2.5], [3, 2], [3, 4], [1, 4]]
    assert boxed.name == "page.png [[1,2.5],[3,2],[3,4],[1,4]]"
    assert whole == Label("page.png", "three")
    assert whole.name == "page.png"


@pytest.mark.parametrize("box", ["[[1,2", "two", "[" * 100_000, "1" * 5000])
def test_corners_that_are_no_json_are_refused(box: str) -> None:
    with pytest.raises(BoxError, match="no JSON"):
        Label("page.png", "one", box).points()


def test_a_byte_order_mark_and_line_ends_of_all_kinds_change_nothing(tmp_path: Path) -> None:
    content = "\ufeffa.png\to\u2028n\x0be\r\nb.png\ttwo".encode()
    (tmp_path / "train.txt").write_bytes(content)

    labels = [Label("a.png", "o\u2028n\x0be"), Label("b.png", "two")]
    assert read_labels(tmp_path / "train.txt") == labels


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(LabelError, match=r"train\.txt is not UTF-8"):
        read_labels(tmp_path / "train.txt")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"train\.txt cannot be read"):
        read_labels(tmp_path / "train.txt")


@pytest.mark.parametrize("key", ["../secret", "a/../../secret", "/etc/passwd", "a\0b"])
def test_a_key_that_leaves_the_directory_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(LabelError, match="leads out"):
        image_path(tmp_path, key)


def test_a_key_names_a_file_below_the_directory(tmp_path: Path) -> None:
    assert image_path(tmp_path, "incoming/a/1.png") == tmp_path / "incoming/a/1.png"
