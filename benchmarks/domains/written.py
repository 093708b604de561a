"""Text in a font, on paper, as a phone or a scanner sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.domains.line import Line, colour
from ocr_retrain.demo_data.fonts import load_font
from ocr_retrain.demo_data.photograph import Capture, lay_over, paper, take_picture

_EM = 60


@dataclass(frozen=True)
class Face:
    """A font file of an installed package; `weights` are the ones to choose from, if it has any."""

    package: str
    file: str
    weights: tuple[int, ...] = ()


def write(text: str, faces: tuple[Face, ...], capture: Capture, rng: np.random.Generator) -> Line:
    """Print a text in one of the faces and take a picture of it."""
    face = faces[int(rng.integers(len(faces)))]
    font = load_font(face.package, face.file, _EM)
    if face.weights:
        font.set_variation_by_axes([face.weights[int(rng.integers(len(face.weights)))]])
    left, top, right, bottom = font.getbbox(text)
    margin_x, margin_y = (int(margin) for margin in rng.integers((10, 10), (34, 22)))
    size = (int(right - left) + 2 * margin_x, int(bottom - top) + 2 * margin_y)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).text((margin_x - left, margin_y - top), text, fill=255, font=font)
    dark, pale = colour(0, 110, rng), colour(170, 256, rng)
    ink, ground = (pale, dark) if rng.random() < 0.2 else (dark, pale)
    cover = np.asarray(mask, dtype=np.float32) / np.float32(255)
    scene = lay_over(paper(*size, ground, capture, rng), ink, cover)
    return Line(take_picture(scene, capture, rng), capture.suffix, text)
