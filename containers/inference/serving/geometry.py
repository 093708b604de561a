"""Text boxes on a page: corner order, reading order, and the upright crop of a box."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recognition.cropping import BoxError, crop_line
from recognition.images import Pixels

Corners = npt.NDArray[np.float32]

_TALL = 1.5
_SAME_ROW = 0.5


@dataclass(frozen=True)
class RotatedBox:
    """A rectangle: centre (x, y) and size (along the text, across it) in pixels.

    The angle is that of the text's direction in degrees, clockwise from pointing right.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    angle: float


@dataclass(frozen=True)
class Box:
    """A quadrilateral in image pixels: top left, top right, bottom right, bottom left (x, y)."""

    corners: tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]

    @classmethod
    def whole(cls, width: int, height: int) -> Box:
        """Return the box around an image of that size."""
        return cls(((0, 0), (width, 0), (width, height), (0, height)))

    @classmethod
    def from_points(cls, points: npt.NDArray[np.floating], width: int, height: int) -> Box:
        """Return the box of four points [4, 2] in any order, kept inside a width x height image."""
        inside = np.clip(np.rint(points), 0, (width, height)).astype(int)
        by_x = inside[np.argsort(inside[:, 0], kind="stable")]
        top_left, bottom_left = sorted(by_x[:2].tolist(), key=lambda point: point[1])
        top_right, bottom_right = sorted(by_x[2:].tolist(), key=lambda point: point[1])
        return cls((_point(top_left), _point(top_right), _point(bottom_right), _point(bottom_left)))

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels along the box's own sides (the longer of each pair)."""
        top_left, top_right, bottom_right, bottom_left = self._array
        width = max(_distance(top_left, top_right), _distance(bottom_left, bottom_right))
        height = max(_distance(top_left, bottom_left), _distance(top_right, bottom_right))
        return width, height

    @cached_property
    def left(self) -> float:
        """Leftmost x."""
        return float(self._array[:, 0].min())

    @cached_property
    def middle(self) -> float:
        """Mean y of the corners."""
        return float(self._array[:, 1].mean())

    @cached_property
    def _array(self) -> Corners:
        return np.asarray(self.corners, dtype=np.float32)

    @property
    def rotated(self) -> RotatedBox:
        """The box as a rectangle with an angle."""
        top_left, top_right, *_ = self.corners
        angle = math.degrees(math.atan2(top_right[1] - top_left[1], top_right[0] - top_left[0]))
        x, y = self._array.mean(axis=0).tolist()
        return RotatedBox((x, y), self.size, angle)

    def crop(self, image: Pixels) -> Pixels:
        """Return the box's pixels as an upright line; a tall box is turned to lie on its side.

        Where the box encloses no line, the result is one pixel.
        """
        top_left, top_right, bottom_right, bottom_left = self.corners
        if top_left[1] == top_right[1] and bottom_left[1] == bottom_right[1]:
            upright = top_left[0] == bottom_left[0] and top_right[0] == bottom_right[0]
            line = image[top_left[1] : bottom_left[1], top_left[0] : top_right[0]]
            # Cut straight out: the same pixels as by a perspective transform, without its cost.
            if upright and line.size and line.shape[0] < _TALL * line.shape[1]:
                return line
        try:
            return crop_line(image, self.corners)
        except BoxError:
            return image[:1, :1]


def _point(values: Sequence[int]) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _distance(first: Corners, second: Corners) -> float:
    return float(np.linalg.norm(first - second))


def reading_order(boxes: Iterable[Box]) -> list[Box]:
    """Return the boxes row by row from the top, each row from the left.

    A box belongs to a row when its middle is within half a line height of the row's middle, so a
    slight tilt or a capital letter does not break a row, whatever the resolution of the page.
    """
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: box.middle):
        if rows and _belongs(box, rows[-1]):
            rows[-1].append(box)
        else:
            rows.append([box])
    return [box for row in rows for box in sorted(row, key=lambda box: box.left)]


def _belongs(box: Box, row: Sequence[Box]) -> bool:
    middle = sum(member.middle for member in row) / len(row)
    height = min(box.size[1], *(member.size[1] for member in row))
    return abs(box.middle - middle) < _SAME_ROW * height
