"""Real handwritten digits, set together to numbers on forms, as the demo does."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.domains.line import Line
from ocr_retrain.demo_data.digits import ScanPool, split_scans
from ocr_retrain.demo_data.handwriting import LONGEST, SHORTEST
from ocr_retrain.demo_data.handwriting import make_line as write_number

_SEED = 0


def make_train_line(rng: np.random.Generator) -> Line:
    """Write a number with scans of the training part."""
    return _line("train", rng)


def make_test_line(rng: np.random.Generator) -> Line:
    """Write a number with scans that no training line holds."""
    return _line("holdout", rng)


def _line(part: str, rng: np.random.Generator) -> Line:
    line = write_number(_pools()[part], int(rng.integers(SHORTEST, LONGEST + 1)), rng)
    return Line(line.image, line.suffix, line.truth)


@functools.cache
def _pools() -> dict[str, ScanPool]:
    return split_scans(_SEED)
