import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining.label_files import (
    DatasetFiles,
    OutsideDatasetError,
    is_holdout_file,
    looks_like_a_label_file,
    parse_label_file,
)


def codes(content: bytes) -> list[str]:
    return [each.code for each in parse_label_file("labels/train.txt", content).problems]


def pairs(content: bytes) -> list[tuple[str, str]]:
    parsed = parse_label_file("labels/train.txt", content)
    return [(each.path, each.text) for each in parsed.lines]


@pytest.mark.parametrize(
    "content",
    [
        b"images/a.png\tHallo\nimages/b.png\tWelt\n",
        b"images/a.png\tHallo\r\nimages/b.png\tWelt\r\n",
        b"\xef\xbb\xbfimages/a.png\tHallo\nimages/b.png\tWelt",
        b"\n\nimages/a.png\tHallo\n   \nimages/b.png\tWelt\n\n",
    ],
    ids=["lf", "crlf", "bom", "blank lines"],
)
def test_good_lines_are_read_whatever_the_file_was_saved_with(content: bytes) -> None:
    assert pairs(content) == [("images/a.png", "Hallo"), ("images/b.png", "Welt")]
    assert codes(content) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"images/a.png Hallo\n", "no_tab"),
        (b"images/a.png\t\n", "empty_label"),
        (b"images/a.png\t  \n", "empty_label"),
        (b"\tHallo\n", "missing_image"),
        (b"images/a.png\tHal\tlo\n", "extra_tab"),
        (b"", "empty_label_file"),
        (b"\xef\xbb\xbf\r\n \n", "empty_label_file"),
        (b"images/a.png\tHa\x00llo\n", "binary_label_file"),
        ("images/a.png\tHallo\n".encode("utf-16"), "binary_label_file"),
        ("images/a.png\tTür\n".encode("latin-1"), "binary_label_file"),
        (b'page.jpg\t[{"transcription": "Hallo", "points": [[0, 0]]}]\n', "page_annotation"),
    ],
)
def test_a_bad_line_is_reported_by_its_code(content: bytes, code: str) -> None:
    assert codes(content) == [code]
    assert pairs(content) == []


def test_a_problem_names_file_and_line() -> None:
    (problem,) = parse_label_file("meters/labels/train.txt", b"a.png\t1\nb.png 2\n").problems
    assert str(problem).startswith("meters/labels/train.txt line 2: ")
    assert "b.png 2" in str(problem)


def test_one_bad_line_does_not_cost_the_good_ones() -> None:
    content = b"a.png\t1\nb.png 2\nc.png\t3\n"
    assert pairs(content) == [("a.png", "1"), ("c.png", "3")]


def test_a_list_of_images_shares_one_text() -> None:
    assert pairs(b'["a.jpg", "b.jpg"]\tSHOP\n') == [("a.jpg", "SHOP"), ("b.jpg", "SHOP")]


def test_rare_line_separators_stay_inside_the_text() -> None:
    assert pairs("a.png\tone\u2028two\n".encode()) == [("a.png", "one\u2028two")]


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_can_be_parsed(content: bytes) -> None:
    parsed = parse_label_file("labels/train.txt", content)
    assert parsed.lines or parsed.problems


_PATH = st.text("abcdefghijäöü/0123456789_-.", min_size=1, max_size=20).map(lambda s: f"i/{s}")
_TEXT = st.text(
    st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="\ufeff"), min_size=1
).filter(lambda text: text.strip() == text and not text.startswith("["))


@settings(deadline=None)
@given(st.lists(st.tuples(_PATH, _TEXT), min_size=1), st.booleans(), st.booleans())
def test_what_was_written_is_read_back(
    rows: list[tuple[str, str]], bom: bool, windows: bool
) -> None:
    ending = "\r\n" if windows else "\n"
    content = "".join(f"{path}\t{text}{ending}" for path, text in rows)
    data = (b"\xef\xbb\xbf" if bom else b"") + content.encode()
    assert pairs(data) == rows


def test_images_are_found_relative_to_the_root_and_to_the_label_file() -> None:
    files = DatasetFiles({"images/a.png", "labels/b.png", "rec/crop_img/c.png"})
    assert files.find("images/a.png", "labels/train.txt") == "images/a.png"
    assert files.find("./images/a.png", "labels/train.txt") == "images/a.png"
    assert files.find("images\\a.png", "labels/train.txt") == "images/a.png"
    assert files.find("../images/a.png", "labels/train.txt") == "images/a.png"
    assert files.find("b.png", "labels/train.txt") == "labels/b.png"
    assert files.find("crop_img/c.png", "rec/rec_gt.txt") == "rec/crop_img/c.png"
    assert files.find("images/z.png", "labels/train.txt") is None


def test_file_names_are_found_in_their_decomposed_form() -> None:
    files = DatasetFiles({"images/Tu\u0308r.png"})
    assert files.find("images/T\u00fcr.png", "labels/train.txt") == "images/Tu\u0308r.png"


@pytest.mark.parametrize(
    "path",
    [
        "/images/a.png",
        "../../a.png",
        "images/../../../a.png",
        "C:\\a.png",
        "..\\..\\a.png",
        "s3://other/a.png",
        "https://example.org/a.png",
        "..",
        ".",
    ],
)
def test_a_path_out_of_the_dataset_is_refused(path: str) -> None:
    with pytest.raises(OutsideDatasetError):
        DatasetFiles({"images/a.png"}).find(path, "train.txt")


@pytest.mark.parametrize(
    ("relative", "content", "expected"),
    [
        ("labels/anything.txt", b"", True),
        ("train.txt", b"", True),
        ("rec_gt_train.txt", b"", True),
        ("Label.txt", b"", True),
        ("mine.txt", b"a.png\t1\n", True),
        ("README.txt", b"Thank you for the data.\n", False),
        ("dict.txt", b"a\nb\n", False),
        ("fileState.txt", b"/home/me/a.png\t1\n", False),
    ],
)
def test_label_files_are_told_from_other_text(
    relative: str, content: bytes, expected: bool
) -> None:
    assert looks_like_a_label_file(relative, content) is expected


def test_holdout_files_are_known_by_name() -> None:
    assert is_holdout_file("labels/val.txt")
    assert is_holdout_file("rec_gt_val.txt")
    assert is_holdout_file("test.txt")
    assert not is_holdout_file("labels/train.txt")
    assert not is_holdout_file("labels/interval.txt")
