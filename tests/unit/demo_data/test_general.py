import io
import unicodedata

import numpy as np
import pytest
from PIL import Image

from ocr_retrain.demo_data.fonts import CHINESE_FONTS, LATIN_FONTS, load_font
from ocr_retrain.demo_data.general import make_general_line
from ocr_retrain.demo_data.vocabulary import CHINESE_WORDS, ENGLISH_WORDS, INVOICE_WORDS


@pytest.fixture(scope="module")
def lines() -> list[tuple[bytes, str]]:
    return [make_general_line(np.random.default_rng([7, index])) for index in range(120)]


def test_lines_are_short_enough_for_the_recognizer(lines: list[tuple[bytes, str]]) -> None:
    assert all(0 < len(text) <= 20 for _, text in lines)


def test_lines_are_of_all_kinds(lines: list[tuple[bytes, str]]) -> None:
    texts = [text for _, text in lines]
    chinese = [text for text in texts if any(not c.isascii() for c in text)]
    assert 0.2 < len(chinese) / len(texts) < 0.5
    assert any(text.lower() in ENGLISH_WORDS for text in texts)
    assert any(text.split(" ")[0] in INVOICE_WORDS for text in texts)
    assert any("$" in text for text in texts)
    assert any(text[:4].isdigit() and text[4:5] == "-" for text in texts)


def test_pictures_are_lines(lines: list[tuple[bytes, str]]) -> None:
    for photograph, _ in lines:
        image = Image.open(io.BytesIO(photograph))
        assert image.format == "JPEG"
        assert 30 <= image.height <= 60
        assert image.width > image.height


def test_words_are_words_without_repetition() -> None:
    assert all(word.isascii() and word.isalpha() for word in ENGLISH_WORDS)
    assert all(
        unicodedata.name(character).startswith("CJK UNIFIED IDEOGRAPH")
        for word in CHINESE_WORDS
        for character in word
    )
    for words in (ENGLISH_WORDS, CHINESE_WORDS, INVOICE_WORDS):
        assert len(set(words)) == len(words)


@pytest.mark.parametrize(("package", "name"), LATIN_FONTS + CHINESE_FONTS)
def test_fonts_draw_every_character_they_are_used_for(package: str, name: str) -> None:
    font = load_font(package, name, 24)
    missing = bytes(font.getmask("\U0010ffff"))
    words = CHINESE_WORDS if (package, name) in CHINESE_FONTS else ENGLISH_WORDS
    for character in sorted(set("".join(words)) | set("0123456789")):
        assert bytes(font.getmask(character)) not in (missing, b"")
