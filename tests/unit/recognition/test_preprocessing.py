"""Preprocessing: the same pixels as PaddleOCR's, whatever else is in the batch."""

import ast
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from finetuning.runtime import paddleocr_directory
from recognition.preprocessing import (
    LineShape,
    batches_of_equal_width,
    scale_line,
    to_tensor,
)

SHAPE = LineShape.of((3, 48, 320))


@pytest.fixture(scope="module")
def paddleocr_resize() -> Callable[..., Any]:
    """PaddleOCR's own function; its module imports far more than the image has."""
    file = paddleocr_directory() / "ppocr/data/imaug/rec_img_aug.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "resize_norm_img"
    ]
    names: dict[str, Any] = {"cv2": cv2, "np": np, "math": math}
    exec(compile(tree, str(file), "exec"), names)
    function: Callable[..., Any] = names["resize_norm_img"]
    return function


@pytest.mark.parametrize("size", [(48, 100), (30, 111), (64, 320), (20, 131), (100, 5), (1, 1)])
def test_a_line_becomes_what_paddleocr_makes_of_it(
    paddleocr_resize: Callable[..., Any], size: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)

    expected, _ = paddleocr_resize(image, (3, 48, 320))
    ours = to_tensor([scale_line(image, SHAPE)], 320)[0]

    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_wide_line_is_neither_cut_nor_squeezed(paddleocr_resize: Callable[..., Any]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 700, 3)).astype(np.uint8)

    width = SHAPE.padded_width(*image.shape[:2])
    expected, _ = paddleocr_resize(image, (3, 48, width))

    assert width == 704
    np.testing.assert_allclose(to_tensor([scale_line(image, SHAPE)], width)[0], expected, atol=1e-6)


def test_an_absurdly_wide_line_is_squeezed_to_the_limit() -> None:
    image = np.zeros((1, 5000, 3), dtype=np.uint8)

    assert scale_line(image, SHAPE).shape == (48, 3200, 3)
    assert SHAPE.padded_width(1, 5000) == 3200


def test_padding_is_mid_grey() -> None:
    batch = to_tensor([np.full((48, 10, 3), 255, dtype=np.uint8)], 320)

    assert batch[0, :, :, :10].min() == 1.0
    assert not batch[0, :, :, 10:].any()


def test_batches_hold_one_width_and_every_line_once() -> None:
    widths = [320, 640, 320, 352, 640, 320, 640]

    batches = list(batches_of_equal_width(widths, 4, 320))

    assert sorted(index for batch in batches for index in batch) == list(range(len(widths)))
    assert all(len({widths[index] for index in batch}) == 1 for batch in batches)
    assert max(sum(widths[index] for index in batch) for batch in batches) <= 4 * 320


def test_a_line_wider_than_the_batch_limit_goes_alone() -> None:
    assert list(batches_of_equal_width([5000, 5000], 4, 320)) == [[0], [1]]
