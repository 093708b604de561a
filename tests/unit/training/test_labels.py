"""Label files and image names: what is malformed is left out, what escapes is refused."""

from pathlib import Path

import pytest

from finetuning.labels import Label, LabelError, image_path, read_labels


def test_usable_lines_are_read(tmp_path: Path) -> None:
    content = "\ufeffa.png\tone\r\nb.png\ttwo three\n\nno tab\n\tno key\nno text.png\t \n"
    (tmp_path / "train.txt").write_text(content, encoding="utf-8")

    assert read_labels(tmp_path / "train.txt") == [
        Label("a.png", "one"),
        Label("b.png", "two three"),
    ]


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
