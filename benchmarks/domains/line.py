"""What every domain makes: a picture of a line, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ocr_retrain.demo_data.photograph import Capture, Pixels


@dataclass(frozen=True)
class Line:
    """An image file, the end of its name, and what is written in it."""

    image: bytes
    suffix: str
    text: str


LineMaker = Callable[[np.random.Generator], Line]

# A phone held before a device or a package: closer and less straight than over a document.
CLOSE_UP = Capture(
    rotation=3.0,
    perspective=0.06,
    height=(30, 58),
    blur=(0.2, 1.2),
    texture=(0.3, 1.5),
    noise=(1.0, 7.0),
    light=(0.65, 1.0),
    shadow=0.15,
    dropout=0.0,
    quality=(58, 92),
)


def pick(options: tuple[str, ...] | str, rng: np.random.Generator) -> str:
    """Return one of the options."""
    return options[int(rng.integers(len(options)))]


def colour(lowest: int, highest: int, rng: np.random.Generator) -> Pixels:
    """Return a grey (RGB) between the two with a tint of a colour, as most things have."""
    tinted = rng.uniform(lowest, highest) + rng.normal(0.0, 16.0, 3)
    return np.clip(tinted, lowest, highest).astype(np.float32)
