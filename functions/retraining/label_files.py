"""Reads label files of any size as they come, row by row. Pure: bytes in, lines out.

Understood are PaddleOCR's ``path<TAB>text``, lists of images that share one text
(``["a.jpg","b.jpg"]<TAB>text``), and the pages of PPOCRLabel's ``Label.txt``
(``path<TAB>[{"transcription": ..., "points": ...}, ...]``), each box of which is a line.
"""

import codecs
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator

from retraining.label_rows import LabelLine, LabelRow
from retraining.page_boxes import is_page, parse_boxes
from retraining.problems import Problem
from retraining.texts import shortened, text_problem

LONGEST_ROW_BYTES = 1024 * 1024

HOLDOUT_FILES = frozenset({"val.txt", "rec_gt_val.txt", "test.txt", "rec_gt_test.txt"})
_KNOWN_FILES = re.compile(r"(?i)(train|val|test|rec_gt.*|.*_label|labels?)\.txt")
_PAGE_FILE = "label.txt"
_PAGE_EXPORT = re.compile(r"(?i)rec_gt.*\.txt")
# PPOCRLabel keeps its own bookkeeping beside the labels; it has tabs, but no texts.
_BOOKKEEPING_FILES = frozenset({"filestate.txt"})
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_HEAD_BYTES = 4096
_UNUSABLE_PATH = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SAVE_AS_UTF8 = "save it as UTF-8 (Notepad and Excel: Save as, Encoding or Type: UTF-8)"


def is_holdout_file(relative: str) -> bool:
    """Tell whether a label file is the dataset's own holdout."""
    return posixpath.basename(relative).lower() in HOLDOUT_FILES


def is_label_file_by_name(relative: str) -> bool:
    """Tell whether a text file must be a label file because of its place or name."""
    folder, name = posixpath.split(relative)
    if name.lower() in _BOOKKEEPING_FILES:
        return False
    return posixpath.basename(folder) == "labels" or _KNOWN_FILES.fullmatch(name) is not None


def looks_like_a_label_file(relative: str, head: bytes) -> bool:
    """Tell whether a text file is meant as labels: by its name, or because its lines have tabs.

    ``head`` is how the file begins.
    """
    if posixpath.basename(relative).lower() in _BOOKKEEPING_FILES:
        return False
    return is_label_file_by_name(relative) or b"\t" in head


def is_superseded(relative: str, text_files: Collection[str]) -> bool:
    """Tell whether a ``Label.txt`` lies beside PPOCRLabel's own export of the same lines."""
    folder, name = posixpath.split(relative)
    return name.lower() == _PAGE_FILE and any(
        posixpath.dirname(each) == folder and _PAGE_EXPORT.fullmatch(posixpath.basename(each))
        for each in text_files
    )


def parse_label_file(name: str, chunks: Iterable[bytes]) -> Iterator[LabelRow]:
    """Read a label file; ``name`` is how problems call it. Never raises on any content.

    Blank rows are passed over. What is wrong with the file as a whole comes as row 0.
    """
    head, chunks = _beginning(chunks)
    refusal = _refusal(name, head)
    if refusal:
        yield LabelRow(0, (), (refusal,))
        return
    empty = True
    for number, row in enumerate(_rows(chunks), start=1):
        if row is None or row.strip():
            empty = False
            yield _parse_row(name, number, row)
    if empty:
        yield LabelRow(0, (), (Problem("empty_label_file", name, "holds no line"),))


def _beginning(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Read so much as tells what kind of file it is; give it back with the rest."""
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head, _joined(head.removeprefix(codecs.BOM_UTF8), rest)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _refusal(name: str, head: bytes) -> Problem | None:
    head = head[:_HEAD_BYTES]
    nulls = head.count(0)
    # In UTF-16 tabs, line ends and Latin letters have a NUL each, all at even or all at odd places.
    one_sided = nulls > 1 and nulls in (head[::2].count(0), head[1::2].count(0))
    if one_sided or head.startswith(_WIDE_MARKS):
        return Problem("utf16_label_file", name, f"is UTF-16 or UTF-32; {_SAVE_AS_UTF8}")
    if nulls:
        return Problem("binary_label_file", name, f"is not text; {_SAVE_AS_UTF8}")
    return None


def _rows(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Cut at line feeds, and only there; None stands for a row that is too long.

    splitlines() would also cut inside texts, at U+2028 and other rare separators.
    """
    pending: list[bytes] = []
    length = 0
    for chunk in chunks:
        *ended, last = chunk.split(b"\n")
        for each in ended:
            length += len(each)
            yield None if length > LONGEST_ROW_BYTES else b"".join([*pending, each])
            pending, length = [], 0
        length += len(last)
        pending.append(last)
        # Of a row that is too long only its length is kept.
        if length > LONGEST_ROW_BYTES:
            pending = []
    if length:
        yield None if length > LONGEST_ROW_BYTES else b"".join(pending)


def _parse_row(name: str, number: int, row: bytes | None) -> LabelRow:
    where = f"{name} line {number}"
    if row is None:
        about = f"is longer than {LONGEST_ROW_BYTES // 1024**2} MB"
        return LabelRow(number, (), (Problem("row_too_long", where, about),))
    try:
        text = row.decode("utf-8")
    except UnicodeDecodeError:
        fault = Problem("not_utf8", where, "is not UTF-8; save the file as UTF-8")
        return LabelRow(number, (), (fault,))
    # Files that were put together from several have a byte order mark in the middle.
    found = _parse_text(text.strip("\r").removeprefix("\ufeff"), name, where)
    lines = tuple(each for each in found if isinstance(each, LabelLine))
    return LabelRow(number, lines, tuple(each for each in found if isinstance(each, Problem)))


def _parse_text(row: str, name: str, where: str) -> list[LabelLine | Problem]:
    path, tab, text = row.partition("\t")
    path, text = path.strip(), text.strip()
    if not tab:
        about = f"no tab between image and text: {shortened(row)}"
        return [Problem("no_tab", where, about)]
    paths = _paths(path)
    faults: list[LabelLine | Problem] = [
        fault for fault in (_path_problem(each, where) for each in paths) if fault
    ]
    if faults:
        return faults
    if is_page(text):
        return _parse_page(paths, text, where)
    if text == "[]" and posixpath.basename(name).lower() == _PAGE_FILE:
        return [Problem("empty_page", where, f"{shortened(path)} has no boxes")]
    problem = text_problem(text, where, path)
    return [problem] if problem else [LabelLine(each, text, where) for each in paths]


def _parse_page(paths: list[str], text: str, where: str) -> list[LabelLine | Problem]:
    if len(paths) > 1:
        return [Problem("bad_annotation", where, "one annotation for several images")]
    return list(parse_boxes(paths[0], text, where))


def _path_problem(path: str, where: str) -> Problem | None:
    if not path:
        return Problem("missing_image", where, "names no image")
    # JSON can write what no row can: half of a character, or a tab that would end the path.
    if _UNUSABLE_PATH.search(path):
        return Problem("unusable_path", where, f"cannot be the name of a file: {shortened(path)}")
    return None


def _paths(field: str) -> list[str]:
    if not field.startswith("["):
        return [field]
    try:
        listed = json.loads(field)
    except (ValueError, RecursionError):
        return [field]
    if isinstance(listed, list) and listed and all(isinstance(each, str) for each in listed):
        return listed
    return [field]
