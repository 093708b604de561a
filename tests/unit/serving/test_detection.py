"""Text lines found on pages, by the detection model that the image ships."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from recognition.artefact import ArtefactError
from serving.detection import TextDetector, boxes_of
from serving.settings import Settings


@pytest.fixture(scope="module")
def detector():
    settings = Settings.from_environment({})
    return TextDetector.load(settings.detection_model, 960)


def page(texts, size=(640, 400), angle=0):
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(24)
    where = []
    for text, position in texts:
        draw.text(position, text, font=font, fill="black")
        where.append(draw.textbbox(position, text, font=font))
    return np.asarray(image.rotate(angle, fillcolor="white"))[:, :, ::-1].copy(), where


TEXTS = [
    ("Invoice 4711", (40, 30)),
    ("Total 12.50", (380, 36)),
    ("Thank you for your order", (40, 120)),
    ("Page 1 of 3", (240, 330)),
]


def covers(box, inked):
    left, top, right, bottom = inked
    xs, ys = zip(*box.corners, strict=True)
    return (
        min(xs) <= left + 4
        and max(xs) >= right - 4
        and min(ys) <= top + 4
        and max(ys) >= bottom - 4
    )


def test_lines_are_found_in_reading_order(detector):
    image, inked = page(TEXTS)

    boxes = detector.find([image])[0]

    assert len(boxes) == len(inked)
    assert all(covers(found, line) for found, line in zip(boxes, inked, strict=True))
    assert all(
        found.size[1] < 2 * (line[3] - line[1]) for found, line in zip(boxes, inked, strict=True)
    )


def test_boxes_are_in_the_pixels_of_the_page_whatever_its_size(detector):
    image, inked = page(TEXTS)
    large = cv2.resize(image, None, fx=5, fy=5)

    boxes = detector.find([large])[0]

    assert len(boxes) == len(inked)
    for found, (left, top, right, bottom) in zip(boxes, inked, strict=True):
        (x0, y0), _, (x1, y1), _ = found.corners
        assert (x0 + x1) / 10 == pytest.approx((left + right) / 2, abs=6)
        assert (y0 + y1) / 10 == pytest.approx((top + bottom) / 2, abs=6)


def test_a_tilted_line_gets_a_tilted_box(detector):
    image, _ = page([("A line of text that is tilted", (120, 180))], angle=10)

    ((found,),) = detector.find([image])

    (left, top), (right, top_right), _, _ = found.corners
    assert np.degrees(np.arctan2(top - top_right, right - left)) == pytest.approx(10, abs=2)


@pytest.mark.parametrize("size", [(640, 480), (1, 1), (3, 2000), (2000, 1), (20_000, 2)])
def test_pages_without_text_have_no_boxes(detector, size):
    assert detector.find([np.full((size[1], size[0], 3), 255, dtype=np.uint8)]) == [[]]


def test_pages_of_one_size_are_found_together_as_alone(detector):
    pages = [page(TEXTS[:count])[0] for count in (4, 2, 0)]

    together = detector.find(pages)

    assert together == [detector.find([each])[0] for each in pages]
    assert [len(boxes) for boxes in together] == [4, 2, 0]


def test_a_probability_map_of_nothing_but_text_is_one_box():
    (found,) = boxes_of(np.ones((64, 64), dtype=np.float32), 128, 64)

    assert found.corners == ((0, 0), (128, 0), (128, 64), (0, 64))


def test_weak_and_tiny_regions_are_not_text():
    probabilities = np.zeros((64, 64), dtype=np.float32)
    probabilities[10:30, 10:30] = 0.4
    probabilities[40:42, 40:60] = 1.0

    assert boxes_of(probabilities, 64, 64) == []


def test_a_missing_detection_model_is_named(tmp_path):
    with pytest.raises(ArtefactError, match="gone.onnx cannot be loaded"):
        TextDetector.load(tmp_path / "gone.onnx", 960)
