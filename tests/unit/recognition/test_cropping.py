"""Cropping: PaddleOCR's pixels for boxes that hold a line, a refusal for all others."""

import ast
import json
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from finetuning.runtime import paddleocr_directory
from recognition.cropping import BoxError, crop_line

Crop = Callable[[Any, Any], Any]


@pytest.fixture(scope="module")
def paddleocr() -> dict[str, Crop]:
    """PaddleOCR's own functions; their module imports far more than is needed for them."""
    wanted = ("get_rotate_crop_image", "get_minarea_rect_crop")
    file = paddleocr_directory() / "tools/infer/utility.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted
    ]
    names: dict[str, Any] = {"cv2": cv2, "np": np}
    exec(compile(tree, str(file), "exec"), names)
    return {name: names[name] for name in wanted}


@pytest.fixture(scope="module")
def page() -> Any:
    return np.random.default_rng(0).integers(0, 256, (240, 400, 3)).astype(np.uint8)


def rotated(
    centre: tuple[float, float], size: tuple[float, float], degrees: float
) -> list[list[float]]:
    """The corners of a line written at an angle, clockwise from the text's top left."""
    angle = math.radians(degrees)
    across, down = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    return [
        [
            centre[axis]
            + horizontal * size[0] / 2 * across[axis]
            + vertical * size[1] / 2 * down[axis]
            for axis in (0, 1)
        ]
        for horizontal, vertical in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


@pytest.mark.parametrize(
    "points",
    [
        [[10, 20], [110, 20], [110, 50], [10, 50]],
        [[10.4, 20.6], [110.5, 24.2], [108.9, 55.1], [9.7, 51.3]],
        [[50, 10], [300, 40], [290, 90], [60, 50]],
        [[30, 30], [60, 30], [60, 75], [30, 75]],
        [[30, 30], [60, 30], [60, 74], [30, 74]],
        [[200, 20], [230, 22], [226, 220], [195, 219]],
        [[-12, -7], [90, -3], [88, 30], [-10, 28]],
        [[350, 200], [460, 210], [455, 260], [348, 250]],
        [[0, 0], [400, 0], [400, 240], [0, 240]],
        [[10, 10], [11, 10], [11, 11], [10, 11]],
    ],
    ids=[
        "upright",
        "fractions of a pixel",
        "in perspective",
        "just high enough to be turned",
        "not quite high enough to be turned",
        "a vertical line",
        "over the page's top left",
        "over the page's bottom right",
        "the whole page",
        "one pixel",
    ],
)
def test_a_box_is_cut_out_as_paddleocr_does_it(
    paddleocr: dict[str, Crop], page: Any, points: list[list[float]]
) -> None:
    expected = paddleocr["get_rotate_crop_image"](page, np.array(points, np.float32))

    np.testing.assert_array_equal(crop_line(page, points), expected)


def test_boxes_at_any_angle_are_cut_out_as_paddleocr_does_it(
    paddleocr: dict[str, Crop], page: Any
) -> None:
    rng = np.random.default_rng(1)
    for degrees in range(0, 360, 7):
        centre, size = rng.uniform((100, 80), (300, 160)), rng.uniform((40, 12), (180, 60))
        points = rotated((centre[0], centre[1]), (size[0], size[1]), degrees)
        points = [[x + rng.uniform(-2, 2), y + rng.uniform(-2, 2)] for x, y in points]
        expected = paddleocr["get_rotate_crop_image"](page, np.array(points, np.float32))

        np.testing.assert_array_equal(crop_line(page, points), expected, err_msg=str(points))


@pytest.mark.parametrize("degrees", [0, 3, 17, 45, 60, 90, 118, 135, 171])
def test_a_polygon_is_cut_out_as_paddleocr_does_it(
    paddleocr: dict[str, Crop], page: Any, degrees: float
) -> None:
    top_left, top_right, bottom_right, bottom_left = rotated((200, 120), (150, 40), degrees)
    middle = [(top_left[0] + top_right[0]) / 2, (top_left[1] + top_right[1]) / 2]
    points = [top_left, middle, top_right, bottom_right, bottom_left]
    expected = paddleocr["get_minarea_rect_crop"](page, np.array(points))

    np.testing.assert_array_equal(crop_line(page, points), expected)


def test_a_line_written_at_an_angle_comes_out_upright() -> None:
    page = np.full((200, 300, 3), 255, np.uint8)
    points = rotated((150, 100), (160, 40), 25)
    left_half = [points[0], *rotated((150, 100), (0, 40), 25)[1:3], points[3]]
    cv2.fillConvexPoly(page, np.rint(left_half).astype(np.int32), (0, 0, 0))

    line = crop_line(page, points)

    assert line.shape in {(40, 160, 3), (39, 159, 3), (40, 159, 3), (39, 160, 3)}
    assert line[5:-5, 5:70].max() == 0
    assert line[5:-5, 90:-5].min() == 255


def test_corners_given_the_other_way_round_do_not_mirror_the_text(page: Any) -> None:
    top_left, top_right, bottom_right, bottom_left = ([20, 30], [120, 33], [119, 62], [18, 60])

    clockwise = crop_line(page, [top_left, top_right, bottom_right, bottom_left])
    counter_clockwise = crop_line(page, [top_left, bottom_left, bottom_right, top_right])

    np.testing.assert_array_equal(counter_clockwise, clockwise)


def test_the_page_is_left_as_it_was(page: Any) -> None:
    before = page.copy()

    crop_line(page, [[0, 0], [400, 0], [400, 240], [0, 240]])[:] = 0

    np.testing.assert_array_equal(page, before)


NAN, INFINITE = float("nan"), float("inf")

HOSTILE: dict[str, tuple[Any, str]] = {
    "not a number": ([[NAN, 0], [9, 0], [9, 9], [0, 9]], "not a number"),
    "all not numbers": ([[NAN, NAN]] * 6, "not a number"),
    "infinite": ([[0, 0], [INFINITE, 0], [9, 9], [0, 9]], "not a number"),
    "beyond float32": ([[0, 0], [1e300, 0], [1e300, 9], [0, 9]], "far outside"),
    "beyond float64": ([[0, 0], [10**400, 0], [9, 9], [0, 9]], "no list"),
    "beyond int32": ([[0, 0], [9, 0], [3e9, 9], [5, 9], [0, 9]], "far outside"),
    "far away": ([[-1e6, 0], [9, 0], [9, 9], [-1e6, 9]], "far outside"),
    "negative": ([[-90, -90], [-10, -90], [-10, -10], [-90, -10]], "outside the page"),
    "right of the page": ([[400, 5], [500, 5], [500, 25], [400, 25]], "outside the page"),
    "below the page": ([[5, 240], [90, 240], [90, 300], [5, 300]], "outside the page"),
    "one point": ([[5, 5]] * 4, "on a line"),
    "one point many times": ([[5, 5]] * 9, "on a line"),
    "collinear": ([[0, 0], [10, 10], [20, 20], [30, 30]], "on a line"),
    "collinear polygon": ([[0, 0], [10, 10], [20, 20], [30, 30], [40, 40]], "on a line"),
    "a triangle": ([[0, 0], [50, 0], [50, 50], [25, 25]], "on a line"),
    "two corners in one": ([[0, 0], [50, 0], [50, 50], [0, 0]], "on a line"),
    "crossing sides": ([[0, 0], [50, 0], [0, 20], [50, 20]], "cross"),
    "bent inwards": ([[0, 0], [50, 0], [10, 10], [0, 50]], "inwards"),
    "thinner than a pixel": ([[5, 5], [90, 5], [90, 5.5], [5, 5.5]], "less than a pixel"),
    "wider than any line": ([[0, 0], [30000, 0], [30000, 9], [0, 9]], "more than a line"),
    "more pixels than any line": (
        [[0, 0], [9000, 0], [9000, 9000], [0, 9000]],
        "more than a line",
    ),
    "none": ([], "four or more"),
    "three": ([[0, 0], [9, 0], [9, 9]], "four or more"),
    "three coordinates": ([[0, 0, 0]] * 4, "four or more"),
    "one coordinate": ([[0]] * 4, "four or more"),
    "flat": ([0, 0, 9, 0, 9, 9, 0, 9], "four or more"),
    "ragged": ([[0, 0], [9], [9, 9], [0, 9]], "no list"),
    "words": ([["a", "b"]] * 4, "no list"),
    "nulls": ([[None, None]] * 4, "not a number"),
    "an object": ({"x": 1}, "no list"),
    "a number": (7, "four or more"),
    "nothing": (None, "four or more"),
    "nested": (json.loads("[" * 200 + "]" * 200), "no list"),
}


@pytest.mark.parametrize(("points", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_corners_without_a_line_are_refused(page: Any, points: Any, reason: str) -> None:
    with pytest.raises(BoxError, match=reason):
        crop_line(page, points)


def test_no_corners_at_all_crash_it_or_make_a_picture_without_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recognition.cropping._MOST_PIXELS", 50_000)
    rng = np.random.default_rng(2)
    page = rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)
    scales = (1e-6, 1.0, 100.0, 3000.0, 1e5, 1e9, 1e38)
    likely = (0.02, 0.1, 0.82, 0.02, 0.02, 0.01, 0.01)
    cut = refused = 0
    for _ in range(2000):
        count = int(rng.integers(3, 9))
        points = rng.normal(0.5, 1, (count, 2)) * rng.choice(scales, (count, 2), p=likely)
        points[rng.random((count, 2)) < 0.01] = rng.choice([NAN, INFINITE, 0.0])
        try:
            line = crop_line(page, points.tolist())
        except BoxError:
            refused += 1
            continue
        cut += 1
        assert line.dtype == np.uint8
        assert line.shape[2] == 3
        assert 0 < line.size <= 3 * 50_000
    assert cut > 200
    assert refused > 300
