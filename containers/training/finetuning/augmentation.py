"""Views of a line: the distortions that another photograph of the same text might show."""

from __future__ import annotations

import cv2
import numpy as np

from recognition.images import Pixels

_STROKE = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def augmented(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a distorted copy of a BGR line [height, width, 3]; the height stays the same.

    Cheap on purpose: one affine warp and a few pixel operations, well under a millisecond.
    """
    distorted = _warped(pixels, rng)
    if rng.random() < 0.25:
        operation = cv2.erode if rng.random() < 0.5 else cv2.dilate
        distorted = _as_pixels(operation(distorted, _STROKE))
    if rng.random() < 0.3:
        distorted = _as_pixels(cv2.GaussianBlur(distorted, (0, 0), float(rng.uniform(0.3, 1.1))))
    return _relit(distorted, rng)


def _as_pixels(image: object) -> Pixels:
    return np.asarray(image, dtype=np.uint8)


def _warped(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    stretch = float(rng.uniform(0.85, 1.2))
    zoom = float(rng.uniform(0.86, 1.06))
    slant = float(rng.uniform(-0.18, 0.18))
    turn = float(np.deg2rad(rng.uniform(-2.0, 2.0)))
    target = max(8, round(width * stretch))
    # Written out as one matrix: centre, slant, turn, zoom, then back with a small shift.
    cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
    linear = np.array([[cos * stretch, (slant * cos - sin)], [sin * stretch, slant * sin + cos]])
    centre = np.array([width / 2, height / 2])
    shift = np.array([rng.uniform(-0.02, 0.02) * target, rng.uniform(-0.06, 0.06) * height])
    offset = np.array([target / 2, height / 2]) + shift - linear @ centre
    matrix = np.column_stack([linear, offset]).astype(np.float64)
    return _as_pixels(
        cv2.warpAffine(pixels, matrix, (target, height), borderMode=cv2.BORDER_REPLICATE)
    )


def _relit(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    gain = float(rng.uniform(0.75, 1.2))
    lift = float(rng.uniform(-25.0, 25.0))
    noise = rng.normal(0.0, float(rng.uniform(0.0, 7.0)), pixels.shape[:2])[:, :, None]
    lit = (pixels.astype(np.float32) - 128.0) * gain + 128.0 + lift + noise
    return np.asarray(np.clip(lit, 0, 255), dtype=np.uint8)
