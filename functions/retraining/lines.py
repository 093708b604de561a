"""Usable label lines as the pipeline stores them: ``<bucket key><TAB><text>``, UTF-8, LF."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One image of one line of text: its key in the bucket and what is written on it."""

    key: str
    text: str


def parse_lines(content: str) -> tuple[Line, ...]:
    """Read a file that ``format_lines`` wrote."""
    pairs = (row.split("\t", 1) for row in content.split("\n") if row)
    return tuple(Line(key, text) for key, text in pairs)


def format_lines(lines: Iterable[Line]) -> str:
    """Write lines the way training and evaluation read them."""
    return "".join(f"{line.key}\t{line.text}\n" for line in lines)


def rank(key: str, salt: str = "") -> str:
    """Order keys as good as at random, but the same way every time for the same salt."""
    return hashlib.sha256(f"{salt}\n{key}".encode()).hexdigest()
