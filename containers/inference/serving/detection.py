"""Find the lines of text on a page: a DB network in ONNX Runtime and its post-processing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognition.images import Pixels
from recognition.recognizer import OpenModel, Session, open_session
from serving.geometry import Box, reading_order

Probabilities = npt.NDArray[np.float32]

_STRIDE = 32
# PaddleOCR applies ImageNet's RGB statistics to BGR pixels; the network was trained that way.
_MEAN = np.asarray([0.485, 0.456, 0.406], dtype=np.float32) * 255.0
_SCALE = 1.0 / (np.asarray([0.229, 0.224, 0.225], dtype=np.float32) * 255.0)

_TEXT_PROBABILITY = 0.3
_BOX_PROBABILITY = 0.5
_UNCLIP_RATIO = 1.6
_MAX_CANDIDATES = 1000
_MIN_SIDE = 3.0


@dataclass(frozen=True)
class TextDetector:
    """Finds lines of text. Safe to use from several threads at once."""

    max_side: int
    _session: Session
    _input_name: str

    @classmethod
    def load(cls, model: Path, max_side: int, open_model: OpenModel = open_session) -> TextDetector:
        """Load a PP-OCR detection model; pages are shrunk so that no side exceeds `max_side`.

        Raises ArtefactError when the file is not a model.
        """
        session = open_model(model)
        return cls(max_side, session, session.get_inputs()[0].name)

    def input_size(self, page: Pixels) -> tuple[int, int]:
        """Return the network's input width and height for a page."""
        height, width = page.shape[:2]
        ratio = min(1.0, self.max_side / max(height, width))
        return _to_stride(width * ratio), _to_stride(height * ratio)

    def find(self, pages: Sequence[Pixels]) -> list[list[Box]]:
        """Return the boxes of the lines on BGR pages [height, width, 3], in reading order.

        All pages have the same input size.
        """
        size = self.input_size(pages[0])
        batch = np.concatenate([_to_tensor(page, size, self.max_side) for page in pages])
        (output,) = self._session.run(None, {self._input_name: batch})
        return [
            reading_order(boxes_of(probabilities, page.shape[1], page.shape[0]))
            for probabilities, page in zip(output[:, 0], pages, strict=True)
        ]


def _to_tensor(page: Pixels, size: tuple[int, int], max_side: int) -> npt.NDArray[np.float32]:
    interpolation = cv2.INTER_AREA if max(page.shape[:2]) > max_side else cv2.INTER_LINEAR
    normal = cv2.resize(page, size, interpolation=interpolation).astype(np.float32)
    normal -= _MEAN
    normal *= _SCALE
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


def _to_stride(length: float) -> int:
    return max(_STRIDE, round(length / _STRIDE) * _STRIDE)


def boxes_of(probabilities: Probabilities, width: int, height: int) -> list[Box]:
    """Return the text boxes of a probability map [rows, columns] of a width x height page."""
    mask = (probabilities > _TEXT_PROBABILITY).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    rows, columns = probabilities.shape
    scale = np.asarray([width / columns, height / rows], dtype=np.float32)
    boxes = []
    for contour in contours[:_MAX_CANDIDATES]:
        centre, sides, angle = cv2.minAreaRect(contour)
        if min(sides) < _MIN_SIDE:
            continue
        core = cv2.boxPoints((centre, sides, angle))
        if _mean_inside(probabilities, core) < _BOX_PROBABILITY:
            continue
        points = cv2.boxPoints((centre, _unclipped(sides), angle)) * scale
        box = Box.from_points(points, width, height)
        if min(box.size) > _MIN_SIDE:
            boxes.append(box)
    return boxes


def _unclipped(sides: tuple[float, float]) -> tuple[float, float]:
    # DB is trained on shrunken boxes. Offsetting a rectangle and taking the rectangle around the
    # result, as PaddleOCR does with a polygon library, adds the offset to each side.
    width, height = sides
    offset = width * height * _UNCLIP_RATIO / (2 * (width + height))
    return width + 2 * offset, height + 2 * offset


def _mean_inside(probabilities: Probabilities, corners: npt.NDArray[np.float32]) -> float:
    rows, columns = probabilities.shape
    low = np.clip(np.floor(corners.min(axis=0)), 0, (columns - 1, rows - 1)).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), 0, (columns - 1, rows - 1)).astype(int)
    region = probabilities[low[1] : high[1] + 1, low[0] : high[0] + 1]
    mask = np.zeros(region.shape, dtype=np.uint8)
    cv2.fillPoly(mask, [(corners - low).astype(np.int32)], 1)
    return float(cv2.mean(region, mask)[0])
