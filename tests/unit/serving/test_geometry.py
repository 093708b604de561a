"""Boxes: corner order, reading order and upright crops."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest

from serving.geometry import Box, reading_order


def box(left, top, width, height):
    right, bottom = left + width, top + height
    return Box(((left, top), (right, top), (right, bottom), (left, bottom)))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_corners_come_clockwise_from_the_top_left(order):
    points = np.asarray([[10, 20], [60, 24], [58, 44], [8, 40]], dtype=np.float32)

    corners = Box.from_points(points[list(order)], 100, 100).corners

    assert corners == ((10, 20), (60, 24), (58, 44), (8, 40))


def test_corners_stay_on_the_page():
    points = np.asarray([[-5, -5], [130, -5], [130, 40], [-5, 40]], dtype=np.float32)

    assert Box.from_points(points, 120, 30) == Box.whole(120, 30)


def test_rows_are_read_from_the_top_and_each_from_the_left():
    first = [box(10, 11, 80, 20), box(100, 8, 60, 20), box(200, 13, 60, 20)]
    second = [box(5, 42, 90, 20), box(120, 40, 60, 22)]

    assert reading_order([second[1], first[2], second[0], first[0], first[1]]) == first + second


def test_close_small_lines_are_not_taken_for_one_row():
    lines = [box(left, top, 50, 8) for top, left in ((0, 90), (9, 10), (18, 50))]

    assert reading_order(reversed(lines)) == lines


def test_high_resolution_rows_hold_together():
    left, right = box(100, 1000, 900, 160), box(1200, 1060, 900, 160)

    assert reading_order([right, left]) == [left, right]


def test_a_slanted_row_is_read_from_the_left():
    angle = math.radians(4)
    centres = [(x, 100 + x * math.tan(angle)) for x in (50, 150, 250)]
    boxes = [Box.from_points(cv2.boxPoints(((x, y), (80, 24), 4.0)), 400, 400) for x, y in centres]

    assert reading_order([boxes[2], boxes[0], boxes[1]]) == boxes


def test_a_crop_is_the_boxes_pixels():
    page = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)

    assert np.array_equal(box(10, 20, 40, 16).crop(page), page[20:36, 10:50])


def test_a_rotated_line_is_cropped_upright():
    page = np.zeros((200, 200, 3), dtype=np.uint8)
    corners = cv2.boxPoints(((100, 100), (120, 30), 30.0))
    cv2.fillPoly(page, [corners.astype(np.int32)], (255, 255, 255))

    crop = Box.from_points(corners, 200, 200).crop(page)

    assert crop.shape[1] / crop.shape[0] == pytest.approx(4, rel=0.1)
    assert crop[4:-4, 4:-4].min() == 255


def test_a_tall_line_is_turned_counter_clockwise():
    page = np.zeros((100, 30, 3), dtype=np.uint8)
    page[:50] = 255

    crop = Box.whole(30, 100).crop(page)

    assert crop.shape == (30, 100, 3)
    assert crop[:, :45].min() == 255
    assert crop[:, 55:].max() == 0


def test_a_box_without_area_still_gives_a_pixel():
    assert box(5, 5, 0, 0).crop(np.zeros((10, 10, 3), np.uint8)).shape == (1, 1, 3)
