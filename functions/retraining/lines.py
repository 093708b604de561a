"""Usable label lines as the pipeline stores them: UTF-8, LF.

``<bucket key><TAB><text>``, and ``<TAB><corners>`` where the line is a part of a page image.
"""

import hashlib
import json
from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]
"""Corners [x, y] in pixels, clockwise from the text's top left."""


@dataclass(frozen=True)
class Line:
    """One line of text: the image's key in the bucket, what is written, and where on the image."""

    key: str
    text: str
    points: Points = ()


def parse_line(row: str) -> Line:
    """Read one row, without its line feed."""
    key, text, *corners = row.split("\t")
    return Line(key, text, parse_points(corners[0]) if corners else ())


def format_line(line: Line) -> str:
    """Write one row the way training and evaluation read it, with its line feed."""
    corners = f"\t{format_points(line.points)}" if line.points else ""
    return f"{line.key}\t{line.text}{corners}\n"


def format_points(points: Points) -> str:
    """Write corners; always in the same way, so that equal corners are equal texts."""
    return json.dumps(points, separators=(",", ":"))


def parse_points(corners: str) -> Points:
    """Read corners; there are none in an empty text."""
    return tuple((x, y) for x, y in json.loads(corners)) if corners else ()


def rank(key: str, salt: str = "") -> str:
    """Order keys as good as at random, but the same way every time for the same salt."""
    return hashlib.sha256(f"{salt}\n{key}".encode()).hexdigest()
