"""Label files that are hostile, broken, or saved by the wrong program."""

import json
from dataclasses import dataclass
from typing import Any

MEGABYTE = 1024**2


@dataclass(frozen=True)
class LabelCase:
    """A label file, the problems it must lead to, and how many lines of it are used."""

    name: str
    content: bytes
    problems: tuple[str, ...]
    lines: int = 0
    file: str = "labels/train.txt"


def _boxes(*boxes: Any, path: str = "p.jpg") -> bytes:
    return f"{path}\t{json.dumps(boxes)}\n".encode()


def _box(text: Any = "1", points: Any = None) -> dict[str, Any]:
    return {"transcription": text, "points": points or [[0, 0], [9, 0], [9, 9], [0, 9]]}


def _corner(corner: Any) -> bytes:
    return _boxes(_box(points=[[0, 0], [9, 0], [9, 9], corner]))


_GOOD = b"good.png\tgood\n"

CASES = [
    # --- not text at all
    LabelCase("nothing", b"", ("empty_label_file",)),
    LabelCase("only a byte order mark", b"\xef\xbb\xbf", ("empty_label_file",)),
    LabelCase("only line ends", b"\n\r\n\n", ("empty_label_file",)),
    LabelCase("only spaces", b"  \t \n \x0b\x0c\n", ("empty_label_file",)),
    LabelCase("utf-16 with mark", "a.png\t1\n".encode("utf-16"), ("utf16_label_file",)),
    LabelCase("utf-16-le without mark", "a.png\t1\n".encode("utf-16-le"), ("utf16_label_file",)),
    LabelCase("utf-16-be without mark", "a.png\t1\n".encode("utf-16-be"), ("utf16_label_file",)),
    LabelCase("utf-32", "a.png\t1\n".encode("utf-32"), ("utf16_label_file",)),
    LabelCase("utf-16 mark and nothing else", b"\xff\xfe", ("utf16_label_file",)),
    LabelCase("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\2\0", ("binary_label_file",)),
    LabelCase("a zip", b"PK\3\4\x14\0\0\0\0\0a.png\t1", ("binary_label_file",)),
    LabelCase("zeros", bytes(10_000), ("binary_label_file",)),
    LabelCase("a program", b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0", ("binary_label_file",)),
    LabelCase("a zero deep inside", _GOOD * 1000 + b"a.png\tx\0y\n" + _GOOD,
              ("control_character",), 1001),
    # --- encodings
    LabelCase("latin-1", "a.png\tTür\n".encode("latin-1") + _GOOD, ("not_utf8",), 1),
    LabelCase("gbk", "a.png\t门牌\n".encode("gbk") + _GOOD, ("not_utf8",), 1),
    LabelCase("shift-jis", "a.png\t看板\n".encode("shift-jis") + _GOOD, ("not_utf8",), 1),
    LabelCase("a cut character", b"a.png\t\xe9\x97\n" + _GOOD, ("not_utf8",), 1),
    LabelCase("an overlong slash", b"..\xc0\xafa.png\t1\n", ("not_utf8",)),
    LabelCase("a surrogate", b"a.png\t\xed\xa0\x80\n", ("not_utf8",)),
    LabelCase("beyond unicode", b"a.png\t\xf5\x80\x80\x80\n", ("not_utf8",)),
    LabelCase("a mark in the middle", _GOOD + b"\xef\xbb\xbf" + _GOOD, (), 2),
    # --- rows
    LabelCase("spaces for the tab", b"a.png    1\n" + _GOOD, ("no_tab",), 1),
    LabelCase("commas for the tab", b"a.png,1\nb.png,2\n", ("no_tab", "no_tab")),
    LabelCase("a header row", b"filename,text\n" + _GOOD, ("no_tab",), 1),
    LabelCase("xml", b"<labels>\n<a/>\n</labels>\n", ("no_tab",) * 3),
    LabelCase("three columns", b"a.png\t1\t0.98\n" + _GOOD, ("extra_tab",), 1),
    LabelCase("no path", b"\t1\n" + _GOOD, ("missing_image",), 1),
    LabelCase("no text", b"a.png\t\n" + _GOOD, ("empty_label",), 1),
    LabelCase("a text of spaces", "a.png\t \u3000\n".encode(), ("empty_label",)),
    LabelCase("old macintosh", b"a.png\t1\rb.png\t2\r", ("extra_tab",)),
    LabelCase("a carriage return inside", b"a.png\t1\r2\n" + _GOOD, ("control_character",), 1),
    LabelCase("terminal escapes", b"a.png\t\x1b[2J\x1b[31m\n", ("control_character",)),
    LabelCase("a bell in the path", b"a\x07.png\t1\n", ("unusable_path",)),
    LabelCase("delete in the text", b"a.png\ta\x7fb\n", ("control_character",)),
    LabelCase("1,001 characters", b"a.png\t" + b"x" * 1001 + b"\n" + _GOOD,
              ("label_too_long",), 1),
    LabelCase("1,000 characters", b"a.png\t" + b"x" * 1000, (), 1),
    LabelCase("an endless row", b"a.png\t" + b"x" * (3 * MEGABYTE) + b"\n" + _GOOD,
              ("row_too_long",), 1),
    LabelCase("an endless row without an end", _GOOD + b"x" * (3 * MEGABYTE),
              ("row_too_long",), 1),
    LabelCase("marked illegible", b"a.png\t###\n", ("illegible_box",)),
    LabelCase("a spreadsheet formula", b"a.png\t=cmd|' /C calc'!A0\n", (), 1),
    LabelCase("code", b"a.png\t'; DROP TABLE lines; --\n", (), 1),
    LabelCase("a bidirectional override", "a.png\ta\u202eb\n".encode(), (), 1),
    # --- lists of images
    LabelCase("an empty list", b"[]\t1\n", (), 1),
    LabelCase("a list of numbers", b"[1, 2]\t1\n", (), 1),
    LabelCase("a list that is cut off", b'["a.png", "b.pn\t1\n', (), 1),
    LabelCase("a list nested without end", b"[" * 200_000 + b"\t1\n", (), 1),
    LabelCase("an empty path in a list", b'["a.png", ""]\t1\n', ("missing_image",)),
    LabelCase("half of a character in a list", b'["a\\udc00.png"]\t1\n', ("unusable_path",)),
    LabelCase("a tab that hides a text in a list", b'["a.png\\tevil"]\t1\n', ("unusable_path",)),
    LabelCase("a line end that hides a row in a list", b'["a.png\\nb.png\\tevil"]\t1\n',
              ("unusable_path",)),
    LabelCase("a zero in a list", b'["a.png\\u0000.txt"]\t1\n', ("unusable_path",)),
    # --- pages
    LabelCase("a page without boxes", b"p.jpg\t[]\n", ("empty_page",), 0, "Label.txt"),
    LabelCase("a page that is cut off", _boxes(_box())[:-20], ("bad_annotation",)),
    LabelCase("a page nested without end",
              b'p.jpg\t[{"points": ' + b"[" * 100_000 + b"\n" + _GOOD, ("bad_annotation",), 1),
    LabelCase("boxes for several pages", b'["a.jpg", "b.jpg"]' + _boxes(_box(), path=""),
              ("bad_annotation",)),
    LabelCase("a number of ten thousand digits",
              b'p.jpg\t[{"points": ' + b"9" * 10_000 + b"}]\n", ("bad_annotation",)),
    LabelCase("a box that is no object", _boxes(_box(), 5), ("bad_box",), 1),
    LabelCase("a box that is nothing", _boxes(_box(), None), ("bad_box",), 1),
    LabelCase("a text that is a number", _boxes(_box(5)), ("bad_box",)),
    LabelCase("a text that is a list", _boxes(_box(["1"])), ("bad_box",)),
    LabelCase("no corners", _boxes({"transcription": "1"}), ("bad_box",)),
    LabelCase("three corners", _boxes(_box(points=[[0, 0], [9, 0], [9, 9]])), ("bad_box",)),
    LabelCase("corners that are text", _boxes(_box(points="0,0,9,0,9,9,0,9")), ("bad_box",)),
    LabelCase("a corner of one number", _corner([0]), ("bad_box",)),
    LabelCase("a corner of three numbers", _corner([0, 9, 1]), ("bad_box",)),
    LabelCase("a corner that is no number", _corner([float("nan"), 9]), ("bad_box",)),
    LabelCase("a corner at infinity", _corner([0, float("inf")]), ("bad_box",)),
    LabelCase("a corner at minus infinity", _corner([0, float("-inf")]), ("bad_box",)),
    LabelCase("a corner light years away", _corner([10**300, 9]), ("bad_box",)),
    LabelCase("a corner that is a truth", _corner([True, 9]), ("bad_box",)),
    LabelCase("a corner that is an object", _corner({"x": 0, "y": 9}), ("bad_box",)),
    LabelCase("a tab in a box", _boxes(_box("a\tb")), ("extra_tab",)),
    LabelCase("a row hidden in a box", _boxes(_box("1\nb.png\tevil")), ("extra_tab",)),
    LabelCase("a line end in a box", _boxes(_box("1\n2")), ("control_character",)),
    LabelCase("half of a character in a box", _boxes(_box("\ud83d")), ("not_utf8",)),
    LabelCase("a box that nobody read", _boxes(_box("待识别")), ("illegible_box",)),
    LabelCase("a difficult box", _boxes({**_box(), "difficult": True}), ("illegible_box",)),
]  # fmt: skip
