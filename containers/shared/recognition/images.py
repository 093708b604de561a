"""Decode untrusted image bytes into BGR pixels, within limits that are checked before decoding."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Pixels = npt.NDArray[np.uint8]

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
_WHITE = (255, 255, 255)
_BAND_PIXELS = 1_000_000
# Pillow reads these in Python, number by number: seconds for a megabyte.
_PLAIN_PNM = (b"P1", b"P2", b"P3")
# Cameras and editors write about ten; each one costs a pass over the whole picture.
_MOST_JPEG_SCANS = 100
_START_OF_SCAN = b"\xff\xda"
_HIGH_DEPTH_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})


class ImageError(ValueError):
    """The bytes are not an image that can be read; the message is one sentence for the sender."""


@dataclass(frozen=True)
class ImageLimits:
    """What is accepted: encoded size in bytes, decoded size in pixels, longest side in pixels."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 20_000


DEFAULT_LIMITS = ImageLimits()


def decode_image(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Pixels:
    """Return the image as contiguous BGR uint8 [height, width, 3], upright, alpha on white.

    Raises ImageError when the data is no image, is damaged, or exceeds the limits.
    """
    if not data:
        raise ImageError("The image is empty (0 bytes).")
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"The image has {len(data)} bytes, more than the {limits.max_bytes} accepted; "
            "send a smaller one."
        )
    _check_effort(data)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image.size, limits)
            return _to_bgr(_to_rgb(_upright(image)))
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("The image has too many pixels; send a smaller one.") from error
    except MemoryError:
        raise
    # Decoders raise almost anything on hostile bytes (struct.error, SyntaxError, KeyError, ...).
    except Exception as error:
        raise ImageError(
            "The image cannot be read: it is damaged or of an unknown format "
            "(JPEG, PNG, BMP, TIFF, WebP, GIF and PPM are known)."
        ) from error


def _to_bgr(rgb: Image.Image) -> Pixels:
    """Return the pixels of an RGB image, taken over in bands.

    Pillow hands an image over in one piece that no other thread may interrupt: for a large page
    that would keep a server from answering anybody for a while.
    """
    pixels = np.empty((rgb.height, rgb.width, 3), dtype=np.uint8)
    rows = max(1, _BAND_PIXELS // rgb.width)
    for top in range(0, rgb.height, rows):
        bottom = min(rgb.height, top + rows)
        band = rgb.crop((0, top, rgb.width, bottom)) if rows < rgb.height else rgb
        pixels[top:bottom] = np.asarray(band)[:, :, ::-1]
    return pixels


def _check_effort(data: bytes) -> None:
    if data.startswith(_PLAIN_PNM):
        raise ImageError("The image is a PNM written as text; send a binary one, or PNG.")
    if data.startswith(b"\xff\xd8") and data.count(_START_OF_SCAN) > _MOST_JPEG_SCANS:
        raise ImageError(f"The JPEG has more than {_MOST_JPEG_SCANS} scans; save it anew.")


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"The image has no pixels ({width} x {height}).")
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise ImageError(
            f"The image is {width} x {height} pixels; at most {limits.max_pixels} pixels and "
            f"{limits.max_side} per side are accepted."
        )


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    # A broken EXIF block does not make the pixels unreadable.
    except Exception:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _HIGH_DEPTH_MODES:
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layered = image.convert("RGBA")
        background = Image.new("RGBA", layered.size, (*_WHITE, 255))
        return Image.alpha_composite(background, layered).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(samples: npt.NDArray[np.generic]) -> Pixels:
    """Scale 16-bit, wider or float grey samples to 0..255; samples that fit stay as they are."""
    values = np.nan_to_num(samples.astype(np.float64))
    top = float(values.max(initial=0.0))
    if samples.dtype.kind == "f":
        scale = 255.0 if top <= 1.0 else 1.0
    elif samples.dtype.itemsize == 2 or top > 255.0:
        scale = 255.0 / 65535.0
    else:
        scale = 1.0
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
