"""Dot-matrix print on packages: lot numbers and dates, dot by dot, some of them missing."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from benchmarks.domains.line import CLOSE_UP, Line, colour, pick
from ocr_retrain.demo_data.fonts import package_file
from ocr_retrain.demo_data.photograph import Pixels, lay_over, paper, take_picture

# Smaller or softer dots run together even for the eye.
_CAPTURE = dataclasses.replace(CLOSE_UP, height=(38, 60), blur=(0.2, 0.9))
_PITCH = 8
_PIXEL_FONT_SIZE = 8
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_LETTERS_AND_DIGITS = _LETTERS + "0123456789"
_PREFIXES = ("EXP ", "LOT ", "MFG ", "BB ", "L", "")


def make_line(rng: np.random.Generator) -> Line:
    """Photograph a printed code."""
    text = _text(rng)
    cover = _dots(_bitmap(text, rng), rng)
    bright_ink = bool(rng.random() < 0.35)
    ground = colour(15, 95, rng) if bright_ink else colour(150, 246, rng)
    ink = colour(165, 256, rng) if bright_ink else colour(0, 85, rng)
    sheet = paper(cover.shape[1], cover.shape[0], ground, _CAPTURE, rng)
    scene = lay_over(sheet, ink, cover * np.float32(rng.uniform(0.65, 1.0)))
    return Line(take_picture(scene, _CAPTURE, rng), _CAPTURE.suffix, text)


def _text(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.35:
        letters = "".join(pick(_LETTERS, rng) for _ in range(2))
        return f"{letters}{int(rng.integers(0, 10**8)):0{int(rng.integers(4, 9))}d}"
    if kind < 0.6:
        ends = ["".join(pick(_LETTERS_AND_DIGITS, rng) for _ in range(n)) for n in (3, 2)]
        return f"{ends[0]}-{int(rng.integers(0, 10000)):04d}-{ends[1]}"
    day, month, year = (int(rng.integers(*bounds)) for bounds in ((1, 29), (1, 13), (20, 36)))
    date = pick((f"{day:02d}/{month:02d}/{year}", f"{day:02d}.{month:02d}.20{year}"), rng)
    return pick(_PREFIXES, rng) + date


def _bitmap(text: str, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    font = _built_in_font() if rng.random() < 0.65 else _pixel_font()
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    image = Image.new("1", (right - left + 2, bottom - top + 2), 0)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    draw.text((1 - left, 1 - top), text, fill=1, font=font)
    return np.asarray(image, dtype=np.bool_)


def _dots(bitmap: npt.NDArray[np.bool_], rng: np.random.Generator) -> Pixels:
    """Return how far the dots of a bitmap cover the package: 0..1, [height, width]."""
    margin_x, margin_y = (int(margin) for margin in rng.integers((6, 4), (26, 18)))
    # A print head moves on while it prints, so that columns lean and drift.
    stretch, lean = float(rng.uniform(0.85, 1.25)), float(rng.normal(0, 0.05))
    height, width = bitmap.shape
    size = (
        int(width * _PITCH * stretch) + 2 * margin_x + height,
        height * _PITCH + 2 * margin_y,
    )
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    radius, jitter = float(rng.uniform(2.2, 4.0)), float(rng.uniform(0, 1.0))
    missing = float(rng.choice([0.0, 0.02, 0.05, 0.08]))
    for row, column in zip(*np.nonzero(bitmap), strict=True):
        if rng.random() < missing:
            continue
        x = margin_x + (column + 0.5) * _PITCH * stretch + lean * (height - row) * _PITCH
        x, y = x + rng.normal(0, jitter), margin_y + (row + 0.5) * _PITCH + rng.normal(0, jitter)
        dot = radius * float(rng.uniform(0.85, 1.15))
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=int(rng.integers(190, 256)))
    return np.asarray(mask, dtype=np.float32) / np.float32(255)


@functools.cache
def _built_in_font() -> ImageFont.ImageFont:
    return ImageFont.load_default_imagefont()


@functools.cache
def _pixel_font() -> ImageFont.FreeTypeFont:
    file = package_file("fontpkg_press_start_2p", "files/PressStart2P-Regular.ttf")
    return ImageFont.truetype(str(file), _PIXEL_FONT_SIZE)
