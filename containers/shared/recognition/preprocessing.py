"""What the network sees: PaddleOCR's resize, normalise and pad.

PaddleOCR pads a line to the widest of its batch, so what it reads depends on the neighbours. Here a
line's width depends on the line alone, and only lines of equal width share a batch: the reading is
the same in training, evaluation and serving, alone or in company.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognition.images import Pixels

Tensor = npt.NDArray[np.float32]

_WIDTH_STEP = 32


@dataclass(frozen=True)
class LineShape:
    """The network's input: height and least width in pixels, and the greatest width it is given."""

    height: int
    width: int
    max_width: int

    @classmethod
    def of(cls, image_shape: Sequence[int]) -> LineShape:
        """From PaddleOCR's [channels, height, width]; lines beyond 10 widths are squeezed."""
        _, height, width = image_shape
        return cls(height=height, width=width, max_width=10 * width)

    def text_width(self, height: int, width: int) -> int:
        """Return the width in pixels of a line of that size once scaled to the network's height."""
        return max(1, min(self.max_width, math.ceil(self.height * (width / height))))

    def padded_width(self, height: int, width: int) -> int:
        """Return the network's input width for a line of that size: padded up, never cut."""
        text_width = self.text_width(height, width)
        if text_width <= self.width:
            return self.width
        return min(self.max_width, _WIDTH_STEP * math.ceil(text_width / _WIDTH_STEP))


def scale_line(image: Pixels, shape: LineShape) -> Pixels:
    """Scale a BGR line to the network's height, proportions kept: [height, text width, 3]."""
    height, width = image.shape[:2]
    size = (shape.text_width(height, width), shape.height)
    if (width, height) == size:
        return image
    return np.asarray(cv2.resize(image, size), dtype=np.uint8)


def to_tensor(lines: Sequence[Pixels], width: int) -> Tensor:
    """Stack scaled lines to [lines, 3, height, width] in -1..1, padded right with 0 (mid grey)."""
    height = lines[0].shape[0]
    batch = np.zeros((len(lines), 3, height, width), dtype=np.float32)
    for index, line in enumerate(lines):
        channels = line.transpose(2, 0, 1).astype(np.float32)
        channels /= 255.0
        channels -= 0.5
        channels /= 0.5
        batch[index, :, :, : line.shape[1]] = channels
    return batch


def batches_of_equal_width(
    widths: Sequence[int], batch_size: int, reference_width: int
) -> Iterator[list[int]]:
    """Yield indices grouped by width, narrow first, the pixels per batch bounded.

    A batch holds `batch_size` lines of the reference width and fewer of wider ones.
    """
    order = sorted(range(len(widths)), key=widths.__getitem__)
    start = 0
    while start < len(order):
        width = widths[order[start]]
        limit = max(1, batch_size * reference_width // max(width, 1))
        end = start
        while end < len(order) and end - start < limit and widths[order[end]] == width:
            end += 1
        yield order[start:end]
        start = end
