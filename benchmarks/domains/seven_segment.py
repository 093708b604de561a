"""Seven-segment displays of meters, scales and clocks: LED, LCD and backlit LCD."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.domains.line import CLOSE_UP, Line, colour, pick
from ocr_retrain.demo_data.photograph import Pixels, lay_over, paper, take_picture

# Segments by letter: a top, b and c right, d bottom, e and f left, g middle.
_SEGMENTS = {
    "0": "abcdef",
    "1": "bc",
    "2": "abdeg",
    "3": "abcdg",
    "4": "bcfg",
    "5": "acdfg",
    "6": "acdefg",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
    "-": "g",
    " ": "",
}
_NARROW = ".:"
_SUPERSAMPLING = 2
_HEIGHT = 88 * _SUPERSAMPLING
_LED = ((255, 42, 30), (70, 255, 90), (255, 186, 50), (90, 200, 255), (250, 250, 250))

Point = tuple[float, float]


@dataclass(frozen=True)
class _Glass:
    """How a display is built; lengths are shares of a digit's height.

    slant: horizontal shift per height. gap: between the ends of two segments. space: between two
    digits.
    """

    width: float
    thickness: float
    slant: float
    gap: float
    space: float


def make_line(rng: np.random.Generator) -> Line:
    """Photograph a display that shows a number or a time."""
    text = _text(rng)
    glass = _Glass(
        width=float(rng.uniform(0.46, 0.6)),
        thickness=float(rng.uniform(0.09, 0.16)),
        slant=float(rng.choice([0.0, 0.0, rng.uniform(0.05, 0.18)])),
        gap=float(rng.uniform(0.01, 0.03)),
        space=float(rng.uniform(0.14, 0.26)),
    )
    lit = _cover(text, glass, rng)
    ghosts = _cover("".join("8" if c.isdigit() or c in " -" else c for c in text), glass, rng)
    scene = (_led, _lcd, _backlit)[int(rng.choice(3, p=[0.45, 0.4, 0.15]))](lit, ghosts, rng)
    return Line(take_picture(scene, CLOSE_UP, rng), CLOSE_UP.suffix, text)


def _text(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.4:
        whole = int(rng.integers(0, 100000))
        return f"{whole:0{int(rng.integers(1, 6))}d}.{int(rng.integers(0, 100)):02d}"
    if kind < 0.65:
        return f"{int(rng.integers(0, 10**7)):0{int(rng.integers(3, 8))}d}"
    if kind < 0.8:
        time = f"{int(rng.integers(0, 24)):02d}:{int(rng.integers(0, 60)):02d}"
        return time + (f":{int(rng.integers(0, 60)):02d}" if rng.random() < 0.4 else "")
    sign = pick(("-", ""), rng)
    return f"{sign}{int(rng.integers(0, 1000))}.{int(rng.integers(0, 10))}"


def _cover(text: str, glass: _Glass, rng: np.random.Generator) -> Pixels:
    """Return how far the segments of a text cover the display: 0..1, [height, width]."""
    margin = 0.28 * _HEIGHT
    advance = [(0.16 if c in _NARROW else glass.width) + glass.space for c in text]
    width = int(sum(advance) * _HEIGHT + abs(glass.slant) * _HEIGHT + 2 * margin)
    mask = Image.new("L", (width, int(_HEIGHT + 2 * margin * 0.7)), 0)
    draw = ImageDraw.Draw(mask)
    left = 0.0
    for character, step in zip(text, advance, strict=True):
        for shape in _shapes(character, glass):
            points = [
                (
                    margin + _HEIGHT * (left + x + glass.slant * (1 - y)),
                    margin * 0.7 + _HEIGHT * y,
                )
                for x, y in shape
            ]
            draw.polygon(points, fill=255)
        left += step
    size = (mask.width // _SUPERSAMPLING, mask.height // _SUPERSAMPLING)
    small = mask.resize(size, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def _shapes(character: str, glass: _Glass) -> Iterator[list[Point]]:
    half = glass.thickness / 2
    if character in _NARROW:
        for middle in (1.0 - half,) if character == "." else (0.32, 0.72):
            yield [
                (x, y + middle)
                for x, y in ((0, -half), (2 * half, -half), (2 * half, half), (0, half))
            ]
        return
    right, upper, lower = glass.width - half, half, 1.0 - half
    ends: dict[str, tuple[Point, Point]] = {
        "a": ((half, upper), (right, upper)),
        "b": ((right, upper), (right, 0.5)),
        "c": ((right, 0.5), (right, lower)),
        "d": ((half, lower), (right, lower)),
        "e": ((half, 0.5), (half, lower)),
        "f": ((half, upper), (half, 0.5)),
        "g": ((half, 0.5), (right, 0.5)),
    }
    for segment in _SEGMENTS[character]:
        yield _hexagon(*ends[segment], half, glass.gap)


def _hexagon(start: Point, end: Point, half: float, gap: float) -> list[Point]:
    """Return a segment with pointed ends between two points."""
    (x, y), (to_x, to_y) = start, end
    if y == to_y:
        x, to_x = x + gap, to_x - gap
        return [
            (x, y),
            (x + half, y - half),
            (to_x - half, y - half),
            (to_x, y),
            (to_x - half, y + half),
            (x + half, y + half),
        ]
    y, to_y = y + gap, to_y - gap
    return [
        (x, y),
        (x + half, y + half),
        (x + half, to_y - half),
        (x, to_y),
        (x - half, to_y - half),
        (x - half, y + half),
    ]


def _led(lit: Pixels, ghosts: Pixels, rng: np.random.Generator) -> Pixels:
    light = np.array(_LED[int(rng.integers(len(_LED)))], dtype=np.float32)
    ground = paper(lit.shape[1], lit.shape[0], colour(0, 40, rng), CLOSE_UP, rng)
    scene = lay_over(ground, light, ghosts * np.float32(rng.uniform(0.0, 0.14)))
    glow = _blurred(lit, float(rng.uniform(2, 6))) * np.float32(rng.uniform(0.1, 0.5))
    return lay_over(scene, light, np.clip(glow + lit * np.float32(rng.uniform(0.75, 1)), 0, 1))


def _lcd(lit: Pixels, ghosts: Pixels, rng: np.random.Generator) -> Pixels:
    grey = float(rng.uniform(105, 200))
    tint = np.array([grey, grey + rng.uniform(0, 22), grey - rng.uniform(0, 38)], dtype=np.float32)
    ground = paper(lit.shape[1], lit.shape[0], tint, CLOSE_UP, rng)
    ink = colour(8, 62, rng)
    scene = lay_over(ground, ink, ghosts * np.float32(rng.uniform(0.0, 0.18)))
    # The segments float above the reflector and throw a shadow on it.
    shadow = np.roll(_blurred(lit, 1.5), (3, 3), (0, 1)) * np.float32(rng.uniform(0, 0.25))
    scene = lay_over(scene, ink, shadow)
    return lay_over(scene, ink, lit * np.float32(rng.uniform(0.6, 1)))


def _backlit(lit: Pixels, ghosts: Pixels, rng: np.random.Generator) -> Pixels:
    blue = np.array([rng.uniform(10, 60), rng.uniform(40, 100), rng.uniform(130, 215)])
    ground = paper(lit.shape[1], lit.shape[0], blue.astype(np.float32), CLOSE_UP, rng)
    light = colour(205, 256, rng)
    scene = lay_over(ground, light, ghosts * np.float32(rng.uniform(0.0, 0.1)))
    return lay_over(scene, light, lit * np.float32(rng.uniform(0.75, 1)))


def _blurred(cover: Pixels, radius: float) -> Pixels:
    image = Image.fromarray((cover * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, dtype=np.float32) / np.float32(255)
