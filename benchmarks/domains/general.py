"""What the base model reads well and must not forget, in fonts that no training sees."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.domains.line import Line, pick
from benchmarks.domains.written import Face, write
from ocr_retrain.demo_data.fonts import CHINESE_FONTS
from ocr_retrain.demo_data.general import make_general_line
from ocr_retrain.demo_data.photograph import PRINTOUT

_CHINESE_FACES = tuple(Face(package, file) for package, file in CHINESE_FONTS)
# The rows of GB 2312 that hold the 3,755 most frequent characters.
_FIRST_ROW, _ROWS, _COLUMNS = 16, 40, 94
_OFFSET = 0xA0
# PP-OCR's dictionary lacks these: no model could read them.
_NOT_IN_PP_OCR = frozenset("刽恫檄毖耪誊诌豢")


def make_line(rng: np.random.Generator) -> Line:
    """Make a line as it stands on invoices and labels, about a third of them Chinese."""
    image, text = make_general_line(rng)
    return Line(image, PRINTOUT.suffix, text)


def make_chinese_line(rng: np.random.Generator) -> Line:
    """Make a line of Chinese characters without regard to what they mean, rare ones as well."""
    text = "".join(pick(_characters(), rng) for _ in range(int(rng.integers(2, 9))))
    return write(text, _CHINESE_FACES, PRINTOUT, rng)


@functools.cache
def _characters() -> tuple[str, ...]:
    codes = (
        bytes((_OFFSET + row, _OFFSET + column))
        for row in range(_FIRST_ROW, _FIRST_ROW + _ROWS)
        for column in range(1, _COLUMNS + 1)
    )
    decoded = (code.decode("gb2312", errors="ignore") for code in codes)
    return tuple(each for each in decoded if each and each not in _NOT_IN_PP_OCR)
