"""Reads PaddleOCR label files: one ``path<TAB>text`` per line. Pure: bytes in, lines out.

Accepts UTF-8 with or without a byte order mark, LF and CRLF, and lists of images that share one
text (``["a.jpg","b.jpg"]<TAB>text``).
"""

import codecs
import json
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

HOLDOUT_FILES = frozenset({"val.txt", "rec_gt_val.txt", "test.txt", "rec_gt_test.txt"})
_KNOWN_FILES = re.compile(r"(?i)(train|val|test|rec_gt.*|.*_label|labels?)\.txt")
# PPOCRLabel keeps its own bookkeeping beside the labels; it has tabs, but no texts.
_BOOKKEEPING_FILES = frozenset({"filestate.txt"})
_PAGE_ANNOTATION = re.compile(r'\[\s*\{\s*"(transcription|points|difficult|key_cls)"')
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Problem:
    """Something that keeps a line (or a file) from being used.

    ``where`` names the place for a person; ``detail`` says what was found there.
    """

    code: str
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}" if self.detail else self.where


@dataclass(frozen=True)
class LabelLine:
    """One image path as written in the label file, its text, and where this was said."""

    path: str
    text: str
    where: str


@dataclass(frozen=True)
class LabelFile:
    """What a label file says, and what in it cannot be used; ``rows`` counts both."""

    lines: tuple[LabelLine, ...]
    problems: tuple[Problem, ...]
    rows: int = 0


def is_holdout_file(relative: str) -> bool:
    """Tell whether a label file is the dataset's own holdout."""
    return posixpath.basename(relative).lower() in HOLDOUT_FILES


def is_label_file_by_name(relative: str) -> bool:
    """Tell whether a text file must be a label file because of its place or name."""
    folder, name = posixpath.split(relative)
    if name.lower() in _BOOKKEEPING_FILES:
        return False
    return posixpath.basename(folder) == "labels" or _KNOWN_FILES.fullmatch(name) is not None


def looks_like_a_label_file(relative: str, content: bytes) -> bool:
    """Tell whether a text file is meant as labels: by its name, or because its lines have tabs."""
    if posixpath.basename(relative).lower() in _BOOKKEEPING_FILES:
        return False
    return is_label_file_by_name(relative) or b"\t" in content


def parse_label_file(name: str, content: bytes) -> LabelFile:
    """Read a label file; ``name`` is how problems call it. Never raises on any content."""
    text = _decode(content)
    if text is None:
        fault = Problem("binary_label_file", name, "is not UTF-8 text; save it as UTF-8")
        return LabelFile((), (fault,))
    if not text.strip():
        return LabelFile((), (Problem("empty_label_file", name, "holds no line"),))
    lines: list[LabelLine] = []
    problems: list[Problem] = []
    rows = 0
    # Not splitlines(): it would also split inside texts, at U+2028 and other rare separators.
    for number, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            rows += 1
            found = _parse_row(row.rstrip("\r"), f"{name} line {number}")
            if isinstance(found, Problem):
                problems.append(found)
            else:
                lines.extend(found)
    return LabelFile(tuple(lines), tuple(problems), rows)


def _decode(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _parse_row(row: str, where: str) -> list[LabelLine] | Problem:
    path, tab, text = row.partition("\t")
    path, text = path.strip(), text.strip()
    if not tab:
        return Problem("no_tab", where, f"no tab between image and text: {_short(row)}")
    if not path:
        return Problem("missing_image", where, "names no image")
    if not text:
        return Problem("empty_label", where, f"no text for {_short(path)}")
    if "\t" in text:
        return Problem("extra_tab", where, f"a second tab in the text of {_short(path)}")
    if _PAGE_ANNOTATION.match(text):
        return Problem(
            "page_annotation",
            where,
            f"{_short(path)} is annotated with boxes; export its cropped lines (rec_gt.txt)",
        )
    return [LabelLine(each, text, where) for each in _paths(path)]


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


def _short(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


class DatasetFiles:
    """The files of one dataset, by path below its root."""

    def __init__(self, relatives: Iterable[str]) -> None:
        """Remember the files; names are also found when only their Unicode form differs."""
        self._exact = frozenset(relatives)
        # macOS writes decomposed file names, label files mostly hold composed ones.
        self._composed = {unicodedata.normalize("NFC", each): each for each in self._exact}

    def find(self, path: str, label_file: str) -> str | None:
        """Resolve an image path of a label file, relative to the root or to the label file.

        Returns the file's path below the root, or None when there is no such file.
        Raises OutsideDatasetError when the path leads out of the dataset either way.
        """
        inside = [
            each
            for each in (_inside(path, ""), _inside(path, posixpath.dirname(label_file)))
            if each is not None
        ]
        if not inside:
            raise OutsideDatasetError(path)
        for candidate in inside:
            if candidate in self._exact:
                return candidate
            composed = self._composed.get(unicodedata.normalize("NFC", candidate))
            if composed is not None:
                return composed
        return None


class OutsideDatasetError(Exception):
    """A label names an image outside its own dataset."""


def _inside(path: str, folder: str) -> str | None:
    path = path.replace("\\", "/")
    if path.startswith("/") or "://" in path or _DRIVE.match(path):
        return None
    normal = posixpath.normpath(posixpath.join(folder, path))
    if normal in {".", ".."} or normal.startswith("../"):
        return None
    return normal
