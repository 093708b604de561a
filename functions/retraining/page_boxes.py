"""Reads the boxes that PPOCRLabel's ``Label.txt`` holds for one page image. Pure."""

import json
import re
from collections.abc import Iterator

from retraining.label_rows import LabelLine
from retraining.lines import Points
from retraining.problems import Problem
from retraining.texts import UNREAD, shortened, text_problem

FEWEST_CORNERS = 4
# No page is that large; a number beyond it is a mistake, infinite or no number at all.
_FARTHEST_PIXEL = 1_000_000
_PAGE = re.compile(r'\[\s*\{\s*"(transcription|points|difficult|key_cls)"')


def is_page(text: str) -> bool:
    """Tell whether the text of a row is meant as the boxes of a page."""
    return _PAGE.match(text) is not None


def parse_boxes(path: str, text: str, where: str) -> Iterator[LabelLine | Problem]:
    """Read the boxes of a page: one line or one problem each. Never raises on any text."""
    try:
        boxes = json.loads(text)
    except (ValueError, RecursionError):
        about = f"the boxes of {shortened(path)} are no JSON; the row may have been cut"
        yield Problem("bad_annotation", where, about)
        return
    for number, box in enumerate(boxes, start=1):
        yield _parse_box(path, box, f"{where} box {number}")


def _parse_box(path: str, box: object, where: str) -> LabelLine | Problem:
    if not isinstance(box, dict) or not isinstance(box.get("transcription"), str):
        return Problem("bad_box", where, f"a box of {shortened(path)} has no transcription")
    text = box["transcription"].strip()
    if box.get("difficult") in (True, "true", "True"):
        return Problem("illegible_box", where, f"a box of {shortened(path)} is marked difficult")
    if text in UNREAD:
        return Problem("illegible_box", where, f"nobody has read a box of {shortened(path)} yet")
    problem = text_problem(text, where, path)
    if problem:
        return problem
    points = _points(box.get("points"))
    if points is None:
        about = f"a box of {shortened(path)} has not {FEWEST_CORNERS} or more corners [x, y]"
        return Problem("bad_box", where, about)
    return LabelLine(path, text, where, points)


def _points(given: object) -> Points | None:
    if not isinstance(given, list) or len(given) < FEWEST_CORNERS:
        return None
    points = []
    for corner in given:
        if not isinstance(corner, list) or len(corner) != 2:
            return None
        x, y = corner
        if not (_is_pixel(x) and _is_pixel(y)):
            return None
        points.append((x, y))
    return tuple(points)


def _is_pixel(value: object) -> bool:
    # A comparison with NaN is always false.
    return type(value) in (int, float) and abs(value) <= _FARTHEST_PIXEL  # type: ignore[arg-type]
