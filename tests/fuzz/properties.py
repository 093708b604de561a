"""What must hold for any input, however broken."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from recognition.images import ImageError, ImageLimits, Pixels, decode_image
from serving.answers import Form, asked_form
from serving.messages import Broken, ReadRequest, RequestError, parse_request

LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=2_000_000, max_side=4_000)
_MOST_SECONDS = 10.0
_MOST_IMAGES = 8


def image_is_decoded_or_refused(data: bytes) -> bool:
    """Check that an image becomes pixels within the limits or one sentence; tell which."""
    began = time.monotonic()
    pixels, refusal = _decoded(data)
    assert time.monotonic() - began < _MOST_SECONDS
    if pixels is None:
        assert refusal.endswith((".", ")"))
        return False
    height, width, channels = pixels.shape
    assert pixels.dtype == np.uint8
    assert channels == 3
    assert pixels.flags.c_contiguous
    assert 0 < width * height <= LIMITS.max_pixels
    assert max(width, height) <= LIMITS.max_side
    return True


def request_is_understood_or_refused(
    content_type: str, attributes: str, query: Mapping[str, str], accept: str, body: bytes
) -> bool:
    """Check that a request becomes images to read or a 4xx; tell which."""
    assert asked_form(accept) in (None, *Form)
    asked, refusal = _understood(content_type, attributes, query, body)
    if asked is None:
        assert 400 <= refusal < 500
        return False
    assert asked.many or len(asked.images) == 1
    assert len(asked.images) <= _MOST_IMAGES
    assert 0 <= asked.options.min_confidence <= 1
    for image in asked.images:
        assert isinstance(image, Broken) or image
    return True


def _decoded(data: bytes) -> tuple[Pixels | None, str]:
    try:
        return decode_image(data, LIMITS), ""
    except ImageError as error:
        return None, str(error)


def _understood(
    content_type: str, attributes: str, query: Mapping[str, str], body: bytes
) -> tuple[ReadRequest | None, int]:
    try:
        return parse_request(content_type, attributes, query, body, _MOST_IMAGES), 200
    except RequestError as error:
        return None, error.status
