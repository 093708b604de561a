"""General lines, rendered: what a pretrained model reads well and must go on reading well."""

import datetime
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from ocr_retrain.demo_data.fonts import CHINESE_FONTS, LATIN_FONTS, load_font
from ocr_retrain.demo_data.photograph import PRINTOUT, Pixels, lay_over, paper, take_picture
from ocr_retrain.demo_data.vocabulary import CHINESE_WORDS, ENGLISH_WORDS, INVOICE_WORDS

_EM = 56
_LONGEST = 20
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DARK = ((20, 20, 24), (30, 40, 80), (90, 30, 30), (50, 50, 50), (20, 70, 60))
_PALE = ((250, 250, 248), (240, 236, 224), (226, 234, 242), (236, 244, 230), (244, 226, 226))


def make_general_line(rng: np.random.Generator) -> tuple[bytes, str]:
    """A rendered line as a JPEG file, and what it says (at most 20 characters)."""
    chinese = bool(rng.random() < 0.35)
    text = (_chinese if chinese else _latin(rng))(rng)
    fonts = CHINESE_FONTS if chinese else LATIN_FONTS
    package, name = fonts[int(rng.integers(len(fonts)))]
    return take_picture(_render(text, package, name, rng), PRINTOUT, rng), text


def _render(text: str, package: str, name: str, rng: np.random.Generator) -> Pixels:
    font = load_font(package, name, _EM)
    left, top, right, bottom = font.getbbox(text)
    margin_x, margin_y = (int(margin) for margin in rng.integers((12, 8), (32, 18)))
    size = (int(right - left) + 2 * margin_x, int(bottom - top) + 2 * margin_y)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).text((margin_x - left, margin_y - top), text, fill=255, font=font)
    dark = np.array(_DARK[int(rng.integers(len(_DARK)))], dtype=np.float32)
    pale = np.array(_PALE[int(rng.integers(len(_PALE)))], dtype=np.float32)
    ink, ground = (pale, dark) if rng.random() < 0.2 else (dark, pale)
    cover = np.asarray(mask, dtype=np.float32) / np.float32(255)
    return lay_over(paper(*size, ground, PRINTOUT, rng), ink, cover)


def _latin(rng: np.random.Generator) -> Callable[[np.random.Generator], str]:
    kinds = (_words, _words, _invoice, _serial, _date, _price)
    return kinds[int(rng.integers(len(kinds)))]


def _pick(options: tuple[str, ...] | str, rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _words(rng: np.random.Generator) -> str:
    words = _pick(ENGLISH_WORDS, rng)
    for _ in range(int(rng.integers(0, 3))):
        longer = f"{words} {_pick(ENGLISH_WORDS, rng)}"
        words = longer if len(longer) <= _LONGEST else words
    return _pick((words, words.capitalize(), words.upper(), words.title()), rng)


def _invoice(rng: np.random.Generator) -> str:
    number = f"{int(rng.integers(1, 99999)):0{int(rng.integers(4, 7))}d}"
    return f"{_pick(INVOICE_WORDS, rng)} {_pick(('No.', '#', ''), rng)}{number}"


def _serial(rng: np.random.Generator) -> str:
    letters = "".join(_pick(_LETTERS, rng) for _ in range(int(rng.integers(2, 4))))
    number = f"{int(rng.integers(0, 10**6)):06d}"
    tail = "".join(_pick(_LETTERS + "23456789", rng) for _ in range(2))
    return _pick((f"{letters}{number}", f"{letters}-{number[:4]}-{tail}", f"SN{number}"), rng)


def _date(rng: np.random.Generator) -> str:
    day = datetime.date(2015, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 4300)))
    return day.strftime(_pick(("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%d %b %Y"), rng))


def _price(rng: np.random.Generator) -> str:
    amount = int(rng.integers(100, 2_000_000)) / 100
    return str(
        _pick((f"${amount:,.2f}", f"USD {amount:.2f}", f"{amount:,.2f}", f"-{amount:.2f}"), rng)
    )


def _chinese(rng: np.random.Generator) -> str:
    words = "".join(_pick(CHINESE_WORDS, rng) for _ in range(int(rng.integers(1, 5))))
    if rng.random() < 0.25:
        return f"{words[:4]}{int(rng.integers(1, 10**6))}"
    return words
