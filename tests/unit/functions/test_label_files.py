import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining.label_files import (
    LONGEST_ROW_BYTES,
    is_holdout_file,
    is_superseded,
    looks_like_a_label_file,
    parse_label_file,
)
from retraining.label_rows import LabelLine, LabelRow
from retraining.problems import Problem

NAME = "labels/train.txt"


def rows(content: bytes, name: str = NAME) -> list[LabelRow]:
    return list(parse_label_file(name, [content]))


def problems(content: bytes, name: str = NAME) -> list[Problem]:
    return [each for row in rows(content, name) for each in row.problems]


def codes(content: bytes, name: str = NAME) -> list[str]:
    return [each.code for each in problems(content, name)]


def lines(content: bytes, name: str = NAME) -> list[LabelLine]:
    return [each for row in rows(content, name) for each in row.lines]


def pairs(content: bytes) -> list[tuple[str, str]]:
    return [(each.path, each.text) for each in lines(content)]


@pytest.mark.parametrize(
    "content",
    [
        b"images/a.png\tHallo\nimages/b.png\tWelt\n",
        b"images/a.png\tHallo\r\nimages/b.png\tWelt\r\n",
        b"\xef\xbb\xbfimages/a.png\tHallo\nimages/b.png\tWelt",
        b"\n\nimages/a.png\tHallo\n   \nimages/b.png\tWelt\n\n",
        b"images/a.png\tHallo\n\xef\xbb\xbfimages/b.png\tWelt\n",
    ],
    ids=["lf", "crlf", "bom", "blank lines", "put together from two files"],
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
        (b'["", "b.png"]\tHallo\n', "missing_image"),
        (b"images/a.png\tHal\tlo\n", "extra_tab"),
        (b"", "empty_label_file"),
        (b"\xef\xbb\xbf\r\n \n", "empty_label_file"),
        (b"images/a.png\tHa\x00llo\n", "binary_label_file"),
        ("images/a.png\tTür\n".encode("latin-1"), "not_utf8"),
        ("images/a.png\t门牌\n".encode("gbk"), "not_utf8"),
        (b"a.png\tone\rb.png\ttwo\r", "extra_tab"),
        (b"a.png\tone\rtwo\n", "control_character"),
        (b"images/a.png\t" + b"x" * 1_001, "label_too_long"),
        (b"images/a.png\t###\n", "illegible_box"),
        (b'["a\\u0000.png"]\tHallo\n', "unusable_path"),
        (b'["a\\tb.png"]\tHallo\n', "unusable_path"),
        (b'["a\\ud800.png"]\tHallo\n', "unusable_path"),
    ],
)
def test_a_bad_line_is_reported_by_its_code(content: bytes, code: str) -> None:
    assert codes(content) == [code]
    assert pairs(content) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ["Hallo", "门牌号"])
def test_utf_16_is_refused_with_a_sentence_that_helps(encoding: str, text: str) -> None:
    (problem,) = problems(f"images/a.png\t{text}\n".encode(encoding) * 3)
    assert problem.code == "utf16_label_file"
    assert str(problem).startswith(f"{NAME}: is UTF-16 or UTF-32; save it as UTF-8")


def test_problems_of_the_file_come_as_row_0() -> None:
    assert [row.number for row in rows(b"")] == [0]
    assert [row.number for row in rows("a.png\t1\n".encode("utf-16"))] == [0]


def test_a_problem_names_file_and_line() -> None:
    (problem,) = problems(b"a.png\t1\nb.png 2\n", "meters/labels/train.txt")
    assert str(problem).startswith("meters/labels/train.txt line 2: ")
    assert "b.png 2" in str(problem)


def test_a_message_holds_nothing_that_a_terminal_obeys() -> None:
    (problem,) = problems("门牌\x1b[2J\u202eevil\n".encode())
    assert str(problem).endswith("no tab between image and text: 门牌\\x1b[2J\\u202eevil")


def test_one_bad_line_does_not_cost_the_good_ones() -> None:
    content = b"a.png\t1\nb.png 2\nc.png\t\xff3\nd.png\t4\n"
    assert pairs(content) == [("a.png", "1"), ("d.png", "4")]
    assert codes(content) == ["no_tab", "not_utf8"]


def test_a_list_of_images_shares_one_text() -> None:
    assert pairs(b'["a.jpg", "b.jpg"]\tSHOP\n') == [("a.jpg", "SHOP"), ("b.jpg", "SHOP")]


def test_rare_line_separators_stay_inside_the_text() -> None:
    assert pairs("a.png\tone\u2028two\n".encode()) == [("a.png", "one\u2028two")]


@pytest.mark.parametrize("text", ["Tu\u0308r", "T\u00fcr", "ＡＢＣ　１２３", "ｶﾞ"])
def test_texts_stay_as_they_were_written(text: str) -> None:
    assert pairs(f"a.png\t{text}\n".encode()) == [("a.png", text)]


# --- of any size


def test_how_the_file_comes_in_pieces_makes_no_difference() -> None:
    content = "\ufeffa.png\tTür\r\nb.png 2\n\nc.png\t門\r\n".encode()
    whole = rows(content)
    for size in (1, 2, 3, 7, 64):
        pieces = (content[at : at + size] for at in range(0, len(content), size))
        assert list(parse_label_file(NAME, pieces)) == whole


def test_a_file_of_any_size_is_read_in_flat_memory() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"images/a.png\tHallo\n" * 1000

    parsed = parse_label_file(NAME, endless())
    for _ in range(2500):
        next(parsed)
    assert taken == 3


def test_a_row_that_is_too_long_is_passed_over_without_being_kept() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a.png\t1\nb.png\t"
        for _ in range(200):
            yield b"x" * 65_536
        yield b"\nc.png\t3\n"

    found = list(parse_label_file(NAME, pieces()))
    assert [line.path for row in found for line in row.lines] == ["a.png", "c.png"]
    (problem,) = [each for row in found for each in row.problems]
    assert (problem.code, problem.where) == ("row_too_long", f"{NAME} line 2")


def test_a_long_row_within_the_limit_is_read() -> None:
    images = [f"images/{number}.png" for number in range(50_000)]
    content = json.dumps(images).encode() + b"\tHallo\n"
    assert LONGEST_ROW_BYTES * 0.9 < len(content) <= LONGEST_ROW_BYTES
    assert [line.path for line in lines(content)] == images


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=8))
def test_any_bytes_can_be_parsed(chunks: list[bytes]) -> None:
    found = list(parse_label_file(NAME, chunks))
    assert found
    assert all(row.lines or row.problems for row in found)


_PATH = st.text("abcdefghijäöü/0123456789_-.", min_size=1, max_size=20).map(lambda s: f"i/{s}")
_TEXT = st.text(
    st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="\ufeff"), min_size=1
).filter(lambda text: text.strip() == text and not text.startswith("[") and text != "###")


@settings(deadline=None)
@given(st.lists(st.tuples(_PATH, _TEXT), min_size=1), st.booleans(), st.booleans())
def test_what_was_written_is_read_back(
    written: list[tuple[str, str]], bom: bool, windows: bool
) -> None:
    ending = "\r\n" if windows else "\n"
    content = "".join(f"{path}\t{text}{ending}" for path, text in written)
    data = (b"\xef\xbb\xbf" if bom else b"") + content.encode()
    assert pairs(data) == written


# --- pages with boxes


def page(*boxes: object, path: str = "pages/1.jpg") -> bytes:
    return f"{path}\t{json.dumps(boxes, ensure_ascii=False)}\n".encode()


def box(text: object = "Hallo", points: object = None, **more: object) -> dict[str, object]:
    corners = [[10, 10], [90, 12], [90, 30], [10, 28]] if points is None else points
    return {"transcription": text, "points": corners, "difficult": False, **more}


def test_every_box_of_a_page_is_a_line() -> None:
    first, second = lines(page(box("Hallo"), box("Welt", key_cls="None")), "Label.txt")
    assert (first.path, first.text, first.where) == (
        "pages/1.jpg",
        "Hallo",
        "Label.txt line 1 box 1",
    )
    assert first.points == ((10, 10), (90, 12), (90, 30), (10, 28))
    assert (second.text, second.where) == ("Welt", "Label.txt line 1 box 2")


def test_a_polygon_keeps_all_its_corners() -> None:
    corners = [[0, 0], [5.5, 1], [9, 2], [9, 8], [5, 7], [0, 6]]
    (line,) = lines(page(box(points=corners)))
    assert line.points == tuple((x, y) for x, y in corners)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (box("###"), "illegible_box"),
        (box("Hallo", difficult=True), "illegible_box"),
        (box("待识别"), "illegible_box"),
        (box("  "), "empty_label"),
        (box("a\tb"), "extra_tab"),
        (box("a\nb"), "control_character"),
        (box("a\ud800"), "not_utf8"),
        (box("x" * 1001), "label_too_long"),
        (box(5), "bad_box"),
        ("no box", "bad_box"),
        (box(points=[]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9]]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9], [0]]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9], [0, "9"]]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9], [0, True]]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9], [0, float("nan")]]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9], [0, float("inf")]]), "bad_box"),
        (box(points=[[0, 0], [9, 0], [9, 9], [0, 10**300]]), "bad_box"),
        ({"transcription": "Hallo"}, "bad_box"),
    ],
)
def test_a_bad_box_is_reported_and_the_good_one_beside_it_is_used(bad: object, code: str) -> None:
    content = f"p.jpg\t{json.dumps([box('good'), bad])}\n".encode()
    assert [line.text for line in lines(content)] == ["good"]
    (problem,) = problems(content)
    assert (problem.code, problem.where) == (code, f"{NAME} line 1 box 2")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'p.jpg\t[{"transcription": "Hallo", "points": [[0, 0', "bad_annotation"),
        (b'["a.jpg", "b.jpg"]\t' + page(box()).split(b"\t")[1], "bad_annotation"),
        (b"p.jpg\t[]\n", "empty_page"),
        (b'p.jpg\t[{"points": ' + b"[" * 100_000, "bad_annotation"),
    ],
    ids=["cut off", "several images", "no boxes", "nested without end"],
)
def test_a_page_that_cannot_be_read_is_reported(content: bytes, code: str) -> None:
    assert codes(content, "Label.txt") == [code]


def test_brackets_are_a_text_where_no_pages_are_expected() -> None:
    assert pairs(b"a.png\t[]\nb.png\t[1]\n") == [("a.png", "[]"), ("b.png", "[1]")]


# --- which files are label files


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


def test_pages_are_not_read_beside_the_export_of_their_own_lines() -> None:
    files = ["a/Label.txt", "a/rec_gt.txt", "b/Label.txt", "rec_gt_train.txt"]
    assert is_superseded("a/Label.txt", files)
    assert not is_superseded("b/Label.txt", files)
    assert not is_superseded("a/rec_gt.txt", files)
