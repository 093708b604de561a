"""Proves that an image can be decoded, and a box cut out of it."""

import hashlib
import io
import math
from dataclasses import dataclass
from threading import BoundedSemaphore

# Pillow would load the rarer decoders at the first image that needs them, in many threads at once.
from PIL import Image, TiffImagePlugin, WebPImagePlugin

from retraining.lines import Points

_LOADED = (TiffImagePlugin, WebPImagePlugin)
LARGEST_FILE_BYTES = 20 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
SMALLEST_SIDE = 4
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)

# Two decoded images of the largest size fit into the function's memory beside everything else; as
# many as there are readers would not.
_decoding = BoundedSemaphore(2)


@dataclass(frozen=True)
class ImageCheck:
    """Result for one image: its content hash and its size, or why it cannot be read."""

    sha256: str
    problem: str = ""
    width: int = 0
    height: int = 0


def check_image(content: bytes) -> ImageCheck:
    """Decode an image completely, within limits on its size. Never raises."""
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return ImageCheck(digest, "the file is empty")
    with _decoding:
        return _decoded(digest, content)


def box_fault(points: Points, width: int, height: int) -> str:
    """Tell why corners cannot be cut out of an image of that size; "" when they can.

    People draw boxes a little beyond the edge; half of a box must be on the page.
    """
    xs, ys = zip(*points, strict=True)
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    inside = (min(right, width) - max(left, 0), min(bottom, height) - max(top, 0))
    whole = (right - left, bottom - top)
    if min(inside) <= 0 or inside[0] * inside[1] * 2 < whole[0] * whole[1]:
        return f"lies outside the page of {width} x {height} pixels"
    if min(_sides(points)) < SMALLEST_SIDE:
        return f"is smaller than {SMALLEST_SIDE} pixels on a side"
    return ""


def _sides(points: Points) -> tuple[float, float]:
    if len(points) != 4:
        xs, ys = zip(*points, strict=True)
        return max(xs) - min(xs), max(ys) - min(ys)
    a, b, c, d = points
    return max(math.dist(a, b), math.dist(c, d)), max(math.dist(b, c), math.dist(d, a))


def _decoded(digest: str, content: bytes) -> ImageCheck:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > LARGEST_PIXELS:
                about = f"{width} x {height} pixels are more than {LARGEST_PIXELS:,} pixels"
                return ImageCheck(digest, about)
            # Boxes are drawn, and cut, on the image as its camera meant it to be held.
            if image.getexif().get(_ORIENTATION) in _LYING:
                width, height = height, width
            image.load()
    # Decoders raise nearly anything on hostile bytes, and every fault means the same here: the
    # image is reported by name and set aside.
    except Exception as error:
        why = str(error).split(" <_io")[0] or type(error).__name__
        return ImageCheck(digest, f"cannot be decoded ({why})")
    return ImageCheck(digest, "", width, height)
