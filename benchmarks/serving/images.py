"""What the servers are asked to read: the benchmarks' general lines, and pages of such texts."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.datasets import Data
from benchmarks.places import CACHE

# A4 at 120 dpi.
_PAGE = (992, 1403)
_MARGIN, _ROW = 60, 44
_SIZES = (18, 20, 22, 24, 28)
_PAPER, _INK, _NOISE = 245, 30, 5


@dataclass(frozen=True)
class Asked:
    """An image as a client sends it, and its lines of text."""

    content: bytes
    texts: tuple[str, ...]


def lines(count: int) -> list[Asked]:
    """Return cropped lines as a phone or a scanner gives them."""
    data = Data.below(CACHE)
    return [
        Asked((data.directory / line.name).read_bytes(), (line.text,))
        for line in data.kept("general", count)
    ]


def pages(count: int) -> list[Asked]:
    """Return pages with a line of text in most rows, as JPEG."""
    texts = [line.text for line in Data.below(CACHE).kept("general", 1000) if line.text.isascii()]
    return [_page(np.random.default_rng((7, index)), texts) for index in range(count)]


def _page(rng: np.random.Generator, texts: list[str]) -> Asked:
    image = Image.new("L", _PAGE, _PAPER)
    draw = ImageDraw.Draw(image)
    written: list[str] = []
    for top in range(_MARGIN, _PAGE[1] - _MARGIN, _ROW):
        if rng.random() < 0.2:
            continue
        font = ImageFont.load_default(float(rng.choice(_SIZES)))
        text = " ".join(str(rng.choice(texts)) for _ in range(rng.integers(1, 4)))
        left = _MARGIN + int(rng.integers(0, 80))
        while draw.textlength(text, font) > _PAGE[0] - _MARGIN - left:
            text = text[: text.rstrip().rfind(" ")] if " " in text else text[:20]
        draw.text((left, top), text, fill=_INK, font=font)
        written.append(text)
    noise = rng.normal(0, _NOISE, (_PAGE[1], _PAGE[0]))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(stream, "JPEG", quality=85)
    return Asked(stream.getvalue(), tuple(written))
