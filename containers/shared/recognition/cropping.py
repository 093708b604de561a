"""One line cut out of a page image and put upright, pixel for pixel as PaddleOCR does it.

Who labelled the page is not trusted: corners that enclose no line are refused, whatever they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from recognition.images import Pixels

Points = Sequence[Sequence[float]]
"""Corners [x, y] in pixels of the upright page, clockwise from the text's top left."""

_Corners = npt.NDArray[np.float32]

_TALL = 1.5
# OpenCV refuses sides of 2^15 and more.
_LONGEST_SIDE = 20_000
# Larger than any line, and small enough for many lines to be cut out at the same time.
_MOST_PIXELS = 16_000_000
# Whole numbers of this size are exact as float32.
_FARTHEST = 1_000_000


class BoxError(ValueError):
    """The corners enclose no line of the page; the message is one sentence."""


def crop_line(page: Pixels, points: Points) -> Pixels:
    """Return the line within four corners; of more, within the smallest rectangle around them.

    A line at least 1.5 times as high as wide is turned to lie on its side. Parts outside the page
    repeat the page's edge. Raises BoxError.
    """
    corners = _clockwise(_four(_numbers(points)))
    _check_overlap(corners, page)
    width, height = _size(corners)
    target: _Corners = np.asarray(
        [[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32
    )
    line = cv2.warpPerspective(
        page,
        cv2.getPerspectiveTransform(corners, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.ascontiguousarray(np.rot90(line) if height / width >= _TALL else line, dtype=np.uint8)


def _numbers(points: Points) -> _Corners:
    try:
        numbers = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BoxError("The corners are no list of [x, y] numbers.") from error
    if numbers.ndim != 2 or numbers.shape[1] != 2 or len(numbers) < 4:
        raise BoxError("The corners are no list of four or more [x, y].")
    # Not a number is not less than anything.
    if not (np.abs(numbers) < _FARTHEST).all():
        raise BoxError("A corner is not a number, or far outside any page.")
    return numbers.astype(np.float32)


def _four(points: _Corners) -> _Corners:
    if len(points) == 4:
        return points
    # PaddleOCR measures polygons in whole pixels.
    rectangle = cv2.boxPoints(cv2.minAreaRect(points.astype(np.int32)))
    by_x = rectangle[np.argsort(rectangle[:, 0], kind="stable")]
    (top_left, bottom_left), (top_right, bottom_right) = _downwards(by_x[:2]), _downwards(by_x[2:])
    return np.asarray([top_left, top_right, bottom_right, bottom_left], dtype=np.float32)


def _downwards(pair: _Corners) -> _Corners:
    return pair if pair[1, 1] > pair[0, 1] else pair[::-1]


def _clockwise(corners: _Corners) -> _Corners:
    """Return the corners in reading order, as PPOCRLabel does: the other way round mirrors text.

    Whatever a rectangle looks like from aside, it is convex: there is no line in anything else.
    """
    sides = np.roll(corners, -1, axis=0).astype(np.float64) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    if (turns > 0).all():
        return corners
    if (turns < 0).all():
        return corners[[0, 3, 2, 1]]
    raise BoxError("The corners lie on a line, or their sides cross or bend inwards.")


def _check_overlap(corners: _Corners, page: Pixels) -> None:
    height, width = page.shape[:2]
    if (corners.max(axis=0) <= 0).any() or (corners.min(axis=0) >= (width, height)).any():
        raise BoxError(f"The corners lie outside the page of {width} x {height} pixels.")


def _size(corners: _Corners) -> tuple[int, int]:
    top_left, top_right, bottom_right, bottom_left = corners
    width = max(_distance(top_left, top_right), _distance(bottom_right, bottom_left))
    height = max(_distance(top_left, bottom_left), _distance(top_right, bottom_right))
    # PaddleOCR cuts fractions of a pixel off; a size rounded otherwise would move every pixel.
    size = math.floor(width), math.floor(height)
    if min(size) < 1:
        raise BoxError("The corners enclose less than a pixel.")
    if max(size) > _LONGEST_SIDE or size[0] * size[1] > _MOST_PIXELS:
        raise BoxError(f"The corners enclose {size[0]} x {size[1]} pixels, more than a line has.")
    return size


def _distance(first: _Corners, second: _Corners) -> float:
    return float(np.linalg.norm(first - second))
