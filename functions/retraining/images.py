"""Proves that an image can be decoded, without ever holding many of them."""

import hashlib
import io
from dataclasses import dataclass
from threading import BoundedSemaphore

# Pillow would load the rarer decoders at the first image that needs them, in many threads at once.
from PIL import Image, TiffImagePlugin, WebPImagePlugin

_LOADED = (TiffImagePlugin, WebPImagePlugin)
LARGEST_FILE_BYTES = 20 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")

# Four decoded images of the largest size fit into the function's memory; sixteen would not.
_decoding = BoundedSemaphore(4)


@dataclass(frozen=True)
class ImageCheck:
    """Result for one image: its content hash, or why it cannot be read."""

    sha256: str
    problem: str = ""


def check_image(content: bytes) -> ImageCheck:
    """Decode an image completely, within limits on its size. Never raises."""
    digest = hashlib.sha256(content).hexdigest()
    with _decoding:
        return ImageCheck(digest, _fault(content))


def _fault(content: bytes) -> str:
    if not content:
        return "the file is empty"
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > LARGEST_PIXELS:
                return f"{width} x {height} pixels are more than {LARGEST_PIXELS:,} pixels"
            image.load()
    # Decoders raise nearly anything on hostile bytes, and every fault means the same here: the
    # image is reported by name and set aside.
    except Exception as error:
        return f"cannot be decoded ({str(error).split(' <_io')[0] or type(error).__name__})"
    return ""
