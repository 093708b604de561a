"""Decoding: any image becomes upright BGR pixels, anything else a sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from recognition.images import ImageError, ImageLimits, decode_image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_colours_come_out_in_bgr_order() -> None:
    pixels = decode_image(encoded(Image.new("RGB", (4, 3), (255, 128, 1)), "PNG"))

    assert pixels.shape == (3, 4, 3)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [1, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_every_colour_mode_becomes_three_channels(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"

    pixels = decode_image(encoded(Image.new("RGB", (5, 4), "white").convert(mode), kind))

    assert pixels.shape == (4, 5, 3)
    assert pixels.min() == 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_become_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode)
    kind = "TIFF" if mode == "PA" else "PNG"
    if mode == "PA":
        image = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).quantize(2)
        kind = "PNG"

    assert decode_image(encoded(image, kind)).min() == 255


def test_sixteen_bit_grey_keeps_its_contrast() -> None:
    samples = np.array([[0, 32768, 65535]], dtype=np.uint16)

    pixels = decode_image(encoded(Image.fromarray(samples), "PNG"))

    assert pixels[0, :, 0].tolist() == [0, 128, 255]


def test_a_photograph_taken_sideways_is_turned_upright() -> None:
    image = Image.new("RGB", (6, 2), "white")
    exif = Image.Exif()
    exif[0x0112] = 6

    assert decode_image(encoded(image, "JPEG", exif=exif)).shape == (6, 2, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_does_not_make_the_pixels_unreadable() -> None:
    data = encoded(Image.new("RGB", (6, 2), "white"), "JPEG", exif=b"Exif\0\0MM\0*garbage")

    assert decode_image(data).shape == (2, 6, 3)


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8000, 8000), (60000, 60000), (21000, 10)])
def test_an_image_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="pixels"):
        decode_image(bomb(*size))


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(ImageError, match="11 bytes, more than the 10"):
        decode_image(b"x" * 11, ImageLimits(max_bytes=10))


@pytest.mark.parametrize(
    "data",
    [b"no image", b"GIF89a", encoded(Image.effect_noise((64, 64), 50), "PNG")[:900]],
    ids=["text", "only a signature", "cut off"],
)
def test_what_is_no_image_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^The image cannot be read.*\.$"):
        decode_image(data)


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(ImageError, match="empty"):
        decode_image(b"")


@pytest.mark.parametrize("magic", [b"P1", b"P2", b"P3"])
def test_images_written_as_text_are_refused(magic):
    with pytest.raises(ImageError, match="written as text"):
        decode_image(magic + b"\n1 1\n255\n0 0 0\n")


def test_a_jpeg_with_countless_scans_is_refused():
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG", progressive=True)
    photo = stream.getvalue()
    last = photo.rindex(b"\xff\xda")
    scan = photo[last:-2]

    decode_image(photo)
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_image(photo[:-2] + 100 * scan + photo[-2:])


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1_001, 2_500), (2_500, 1_001)])
def test_large_images_come_over_whole(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)

    decoded = decode_image(encoded(Image.fromarray(pixels), "PNG", compress_level=0))

    assert np.array_equal(decoded, pixels[:, :, ::-1])
    assert decoded.flags.c_contiguous
