"""Small labelled folders of digit strings, as a user would drop them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def texts(count: int, rng: np.random.Generator) -> list[str]:
    """Strings of three to six digits."""
    return ["".join(rng.choice(list("0123456789"), rng.integers(3, 7))) for _ in range(count)]


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
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    for name, count in label_files.items():
        drawn = texts(count, rng)
        rows = []
        said = labels(drawn)
        for index, (text, label) in enumerate(zip(drawn, said, strict=True)):
            image = f"images/{name}-{index:04d}.png"
            draw(text, rng).save(root / image)
            rows.append(f"{image}\t{label}\n")
        (root / "labels" / f"{name}.txt").write_text("".join(rows), encoding="utf-8")
    return root
