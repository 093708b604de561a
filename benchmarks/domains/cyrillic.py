"""A new alphabet: Russian words, of whose letters the base model knows only six."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

from benchmarks.domains.line import Line, pick
from benchmarks.domains.written import Face, write
from ocr_retrain.demo_data.fonts import package_file
from ocr_retrain.demo_data.photograph import PHONE, PRINTOUT

# Training and test share no font, nor does the trainer draw its own lines with any of these.
TRAIN_FACES = (
    Face("fontpkg_arimo", "files/Arimo[wght].ttf", (400, 700)),
    Face("fontpkg_jost", "files/Jost[wght].ttf", (300, 400, 600)),
    Face("fontpkg_literata", "files/Literata-Italic[opsz,wght].ttf"),
    Face("fontpkg_lora", "files/Lora[wght].ttf", (400, 700)),
    Face("fontpkg_rubik", "files/Rubik[wght].ttf", (300, 400, 700)),
)
TEST_FACES = (
    Face("fontpkg_exo_2", "files/Exo2[wght].ttf", (400, 600)),
    Face("fontpkg_montserrat", "files/Montserrat[wght].ttf", (400, 600)),
    Face("fontpkg_play", "files/Play-Regular.ttf"),
    Face("fontpkg_vollkorn", "files/Vollkorn[wght].ttf", (400, 700)),
)
_LONGEST = 18


def make_train_line(rng: np.random.Generator) -> Line:
    """Photograph or scan words in a font of the training part."""
    return _line(TRAIN_FACES, rng)


def make_test_line(rng: np.random.Generator) -> Line:
    """Photograph or scan words in a font of the test part."""
    return _line(TEST_FACES, rng)


def _line(faces: tuple[Face, ...], rng: np.random.Generator) -> Line:
    text = pick(_words(), rng)
    more = f"{text} {pick(_words(), rng)}"
    if rng.random() < 0.45 and len(more) <= _LONGEST:
        text = more
    text = pick((text, text, text.title(), text.upper(), text.capitalize()), rng)
    return write(text, faces, PHONE if rng.random() < 0.5 else PRINTOUT, rng)


@functools.cache
def _words() -> tuple[str, ...]:
    words = package_file("mnemonic", "wordlist/russian.txt").read_text(encoding="utf-8").split()
    return tuple(unicodedata.normalize("NFC", word) for word in words)
