"""What a hostile or broken client may send: images and documents, and what becomes of them."""

from __future__ import annotations

import base64
import io
import json
import struct
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import ExifTags, Image

_SIZE = (40, 16)
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@cache
def images() -> tuple[bytes, ...]:
    """Return good images of every kind that is read, and of a few that are not."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 255, (*_SIZE[::-1], 3), dtype=np.uint8))
    grey, deep = (
        colour.convert("L"),
        Image.fromarray(np.asarray(colour.convert("L")) * np.uint16(9)),
    )
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return (
        _saved(colour, "JPEG"),
        _saved(colour, "JPEG", progressive=True, exif=exif),
        _saved(colour.convert("CMYK"), "JPEG"),
        _saved(colour, "PNG"),
        _saved(colour.convert("RGBA"), "PNG", exif=exif),
        _saved(colour.convert("P"), "PNG", transparency=0),
        _saved(grey.convert("1"), "PNG"),
        _saved(deep, "PNG"),
        _saved(colour, "WEBP", lossless=True),
        _saved(colour, "WEBP", quality=50),
        _saved(colour, "BMP"),
        _saved(colour.convert("P"), "BMP"),
        _saved(colour.convert("P"), "GIF", save_all=True, append_images=[grey.convert("P")]),
        *(_saved(colour, "TIFF", compression=each) for each in ("raw", "tiff_lzw", "jpeg")),
        _saved(grey.convert("1"), "TIFF", compression="group4"),
        _saved(deep, "TIFF"),
        _saved(grey.convert("F"), "TIFF"),
        _saved(colour, "PPM"),
        _saved(colour, "ICO", sizes=[(16, 16)]),
        b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    )


def _saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


@st.composite
def broken_images(draw: st.DrawFn) -> bytes:
    """Draw an image with a few things done to its bytes."""
    data = bytearray(draw(st.sampled_from(images())))
    for _ in range(draw(st.integers(0, 4))):
        _change(draw, data)
    return bytes(data)


def _change(draw: st.DrawFn, data: bytearray) -> None:
    # Headers are where sizes and offsets are.
    at = draw(st.integers(0, min(len(data), 200) if draw(st.booleans()) else len(data)))
    match draw(st.integers(0, 6)):
        case 0:
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        case 1:
            number = draw(st.sampled_from(_EDGES))
            order = draw(st.sampled_from("<>"))
            data[at : at + 4] = struct.pack(f"{order}I", number)
        case 2:
            number = draw(st.sampled_from(_EDGES)) & 0xFFFF
            data[at : at + 2] = struct.pack(draw(st.sampled_from(("<H", ">H"))), number)
        case 3:
            del data[at:]
        case 4:
            del data[at : at + draw(st.integers(1, 64))]
        case 5:
            length = draw(st.integers(1, 64))
            data[at:at] = data[at : at + length] * draw(st.integers(1, 50))
        case _:
            other = draw(st.sampled_from(images()))
            data[at:] = other[draw(st.integers(0, len(other))) :]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_pictures = broken_images().map(_encoded) | st.text(max_size=40)
_documents = st.fixed_dictionaries(
    {},
    optional={
        "image": _pictures | _json,
        "images": st.lists(_pictures | _json, max_size=3) | _json,
        "mode": st.sampled_from(["line", "page"]) | _json,
        "min_confidence": st.floats(0, 1) | _json,
        "rotated_boxes": st.booleans() | _json,
    },
)


def bodies() -> st.SearchStrategy[bytes]:
    """Return a strategy of bodies: images, documents, and neither."""
    documents = (_documents | _json).map(lambda each: json.dumps(each).encode("utf-8", "replace"))
    return broken_images() | documents | st.binary(max_size=200)


CONTENT_TYPES = st.sampled_from(
    [
        *("application/json", "application/json; charset=utf-8", "image/png", "image/jpeg"),
        *("application/x-image", "application/octet-stream", "text/csv", "", "image/", "a/b/c"),
    ]
)
_OPTION = st.sampled_from(["mode", "min_confidence", "rotated_boxes", "trace", "="])
_VALUE = st.sampled_from(["line", "page", "0.5", "nan", "-1", "true", "", ";", "1e999"])
ATTRIBUTES = st.lists(st.tuples(_OPTION, _VALUE), max_size=3).map(
    lambda pairs: ";".join(f"{name}={value}" for name, value in pairs)
)
_GOOD = st.sampled_from([{}, {"mode": "page"}, {"min_confidence": "0.1"}, {"rotated_boxes": "1"}])
QUERIES = _GOOD | _GOOD | st.dictionaries(_OPTION, _VALUE, max_size=3)
ACCEPTS = st.sampled_from(
    ["", "*/*", "application/json", "application/jsonlines", "image/png", "a;q=b,,;", "*/*;q=0"]
)


def request_parts() -> dict[str, st.SearchStrategy[Any]]:
    """Give what a request is made of, by the names that the properties take."""
    return {
        "content_type": CONTENT_TYPES,
        "attributes": ATTRIBUTES,
        "query": QUERIES,
        "accept": ACCEPTS,
        "body": bodies(),
    }


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a request, some of them changed or missing."""
    body = draw(bodies())
    length = draw(st.sampled_from([len(body), len(body), 0, len(body) + 7, -1, 10**12]))
    line = draw(st.sampled_from(["POST /invocations", "GET /ping", "PUT /x", "POST /%ff?mode"]))
    chunked = "Transfer-Encoding: chunked\r\n" if draw(st.integers(0, 9)) == 0 else ""
    head = f"{line} HTTP/1.1\r\nHost: x\r\nContent-Type: {draw(CONTENT_TYPES)}\r\n{chunked}"
    data = bytearray(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
    for _ in range(draw(st.integers(0, 2))):
        _change(draw, data)
    return bytes(data)
