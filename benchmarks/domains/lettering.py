"""Brush and pen lettering: everyday words in fonts that imitate handwriting."""

from __future__ import annotations

import numpy as np

from benchmarks.domains.line import Line, pick
from benchmarks.domains.written import Face, write
from ocr_retrain.demo_data.photograph import PHONE
from ocr_retrain.demo_data.vocabulary import ENGLISH_WORDS

FACES = (
    Face("fontpkg_caveat", "files/Caveat[wght].ttf", (400, 700)),
    Face("fontpkg_dancing_script", "files/DancingScript[wght].ttf", (400, 700)),
    Face("fontpkg_kalam", "files/Kalam-Regular.ttf"),
    Face("fontpkg_satisfy", "files/Satisfy-Regular.ttf"),
)
_LONGEST = 20


def make_line(rng: np.random.Generator) -> Line:
    """Photograph one to three words."""
    words = pick(ENGLISH_WORDS, rng)
    for _ in range(int(rng.integers(0, 3))):
        longer = f"{words} {pick(ENGLISH_WORDS, rng)}"
        words = longer if len(longer) <= _LONGEST else words
    words = pick((words, words.capitalize(), words.title()), rng)
    return write(words, FACES, PHONE, rng)
