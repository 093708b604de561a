"""Options that the benchmarks share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from benchmarks.datasets import Data, LabelledLine
from benchmarks.domains import DOMAINS, KEPT
from benchmarks.models import PACKAGED
from benchmarks.places import CACHE

Item = TypeVar("Item")

BASES = (PACKAGED, "pp-ocrv6-small")


def listed(kind: Callable[[str], Item]) -> Callable[[str], list[Item]]:
    """Return a parser of `a,b,c`."""

    def parse(text: str) -> list[Item]:
        return [kind(part.strip()) for part in text.split(",") if part.strip()]

    return parse


def one_of(known: Iterable[str]) -> Callable[[str], str]:
    """Return a parser of a name that must be known."""
    names = tuple(known)

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return parse


def add_shared(
    parser: argparse.ArgumentParser, domains: Iterable[str], sizes: str, results: str
) -> None:
    """Add what every benchmark of trainings can be told."""
    parser.add_argument(
        "--domains",
        type=listed(one_of(DOMAINS)),
        default=list(domains),
        help=f"of {', '.join(DOMAINS)} (default: {','.join(domains)})",
    )
    parser.add_argument(
        "--sizes", type=listed(int), default=sizes, help=f"new lines (default: {sizes})"
    )
    parser.add_argument(
        "--seeds",
        type=listed(positive),
        default="1,2,3",
        help="each draws other lines and trains with another seed (default: 1,2,3)",
    )
    add_test_lines(parser)
    parser.add_argument(
        "--base", type=one_of(BASES), default=PACKAGED, help=f"what ours starts from ({PACKAGED})"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=CACHE / results,
        help="JSON file; finished runs that are in it are not repeated",
    )


def add_test_lines(parser: argparse.ArgumentParser) -> None:
    """Add how many lines are read to judge a model."""
    parser.add_argument(
        "--test-lines", type=positive, default=300, help="test lines per domain (default: 300)"
    )
    parser.add_argument(
        "--general-lines",
        type=positive,
        default=1000,
        help="lines of general text (default: 1000); Chinese ones are added, a third as many",
    )


def kept_sets(data: Data, general_lines: int) -> dict[str, list[LabelledLine]]:
    """Return the lines of what must not be forgotten."""
    counts = {"general": general_lines, "chinese": max(1, round(0.3 * general_lines))}
    return {name: data.kept(name, counts[name]) for name in KEPT}


def positive(text: str) -> int:
    """Parse a number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number
