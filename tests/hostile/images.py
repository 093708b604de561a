"""Files that are named like images and are none, or are no good."""

import io
import random
import struct
import zlib

from PIL import Image


def _saved(kind: str, size: tuple[int, int] = (64, 16)) -> bytes:
    out = io.BytesIO()
    noise = random.Random(kind).randbytes(size[0] * size[1] * 3)
    Image.frombytes("RGB", size, noise).save(out, format=kind)
    return out.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def _png(width: int, height: int, data: bytes, *more: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + b"".join(more)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


_JPEG, _PNG, _WEBP = _saved("JPEG"), _saved("PNG"), _saved("WEBP")

CASES: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"this is no image\n",
    "a page of the web": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "an error of the store": b"<Error><Code>AccessDenied</Code></Error>",
    "zeros": bytes(5000),
    "noise": random.Random(1).randbytes(5000),
    "the beginning of a jpeg": _JPEG[:4],
    "half a jpeg": _JPEG[: len(_JPEG) // 2],
    "a jpeg without its end": _JPEG[:-200],
    "the beginning of a png": _PNG[:8],
    "a png without pixels": _PNG[:33],
    "half a png": _PNG[: len(_PNG) // 2],
    "a png with a wrong checksum": _PNG[:40] + bytes([_PNG[40] ^ 0xFF]) + _PNG[41:],
    "half a webp": _WEBP[: len(_WEBP) // 2],
    "half a bitmap": _saved("BMP")[:500],
    "half a tiff": _saved("TIFF")[:300],
    "half a gif": _saved("GIF")[:400],
    "a png of four gigapixels": _png(65_535, 65_535, zlib.compress(bytes(1000))),
    "a png of the largest size": _png(2**31 - 1, 2**31 - 1, b""),
    "a png without width": _png(0, 10, zlib.compress(bytes(10))),
    "a png with too few pixels": _png(1000, 1000, zlib.compress(bytes(100))),
    "a png with a text of a gigabyte": _png(
        8, 8, zlib.compress(bytes(72)), _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))
    ),
    "a gif of four gigapixels": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0"
    b"\xff\xff\xff\xff\0\2\2D\1\0;",
    "a bitmap of four gigapixels": b"BM" + struct.pack(
        "<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 65_535, 65_535, 1, 24, 0, 0, 0, 0, 0, 0
    ),
    "a bitmap of negative width": b"BM" + struct.pack(
        "<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -5, 5, 1, 24, 0, 0, 0, 0, 0, 0
    ),
    "a tiff that points at itself": b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0",
    "a tiff of a million tags": b"II*\0\x08\0\0\0" + b"\xff\xff" + bytes(1000),
    "a tiff that points nowhere": b"MM\0*\xff\xff\xff\xff",
    "postscript, a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "a pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "a drawing that fetches": b'<svg xmlns="x"><image href="http://169.254.169.254/"/></svg>',
    "an icon": _saved("ICO"),
    "a zip named like an image": b"PK\3\4" + bytes(100),
}  # fmt: skip
