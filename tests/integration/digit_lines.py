"""Small labelled folders of drawn lines, mostly digits, as a user would drop them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Draw = Callable[[str, np.random.Generator], Image.Image]


def plain(text: str, rng: np.random.Generator) -> Image.Image:
    """Dark digits on light ground: what the tiny base model was trained on."""
    ink, paper = int(rng.integers(0, 60)), int(rng.integers(210, 255))
    return _noisy(_written(text, ink, paper), rng)


def dot_matrix(text: str, rng: np.random.Generator) -> Image.Image:
    """Bright dots on dark ground, as on a display: new to the tiny base model."""
    mask = np.asarray(_written(text, 255, 0, size=16).convert("L")) > 110
    cell = 4
    height, width = mask.shape
    image = Image.new("RGB", (width * cell, height * cell), (20, 24, 30))
    draw = ImageDraw.Draw(image)
    colour = tuple(int(value) for value in rng.integers(170, 255, size=3))
    for y, x in zip(*np.nonzero(mask), strict=True):
        left, top = int(x) * cell, int(y) * cell
        draw.ellipse((left, top, left + 3, top + 3), fill=colour)
    return _noisy(image.resize((max(8, width * 2), height * 2)), rng)


def _written(text: str, ink: int, paper: int, size: int = 28) -> Image.Image:
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(value) for value in font.getbbox(text))
    image = Image.new("RGB", (right - left + 12, bottom - top + 10), (paper,) * 3)
    ImageDraw.Draw(image).text((6 - left, 5 - top), text, font=font, fill=(ink,) * 3)
    return image


def _noisy(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image) + rng.normal(0, 6, size=(image.height, image.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def texts(
    count: int, rng: np.random.Generator, characters: Sequence[str] = "0123456789"
) -> list[str]:
    """Strings of three to six characters, digits if nothing else is said."""
    return ["".join(rng.choice(list(characters), rng.integers(3, 7))) for _ in range(count)]


def write_folder(
    root: Path,
    draw: Draw,
    label_files: dict[str, int],
    seed: int,
    labels: Callable[[Sequence[str]], Sequence[str]] = tuple,
) -> Path:
    """Write images/ and the named label files (name to number of lines) below root.

    ``labels`` changes what the label files say, not what is drawn.
    """
    rng = np.random.default_rng(seed)
    for name, count in label_files.items():
        drawn = texts(count, rng)
        _write(root, draw, name, zip(drawn, labels(drawn), strict=True), rng)
    return root


def write_texts(
    root: Path, draw: Draw, label_files: Mapping[str, Sequence[tuple[str, str]]], seed: int
) -> Path:
    """Write images/ and the named label files: what is drawn and what is said of every line."""
    rng = np.random.default_rng(seed)
    for name, lines in label_files.items():
        _write(root, draw, name, lines, rng)
    return root


def _write(
    root: Path,
    draw: Draw,
    name: str,
    lines: Iterable[tuple[str, str]],
    rng: np.random.Generator,
) -> None:
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "labels").mkdir(exist_ok=True)
    rows = []
    for index, (text, label) in enumerate(lines):
        image = f"images/{name}-{index:04d}.png"
        draw(text, rng).save(root / image)
        rows.append(f"{image}\t{label}\n")
    (root / "labels" / f"{name}.txt").write_text("".join(rows), encoding="utf-8")
