"""What a phone or a scanner makes of a line on paper: light, perspective, blur, noise, files."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Capture:
    """How a line got into the computer; each pair is the range a value is drawn from.

    rotation: degrees to either side at most. perspective: how far a corner moves at most, as a
    share of the height. height: of the cropped line, pixels. blur: Gaussian radius, pixels.
    texture: how much of the paper shows, grey levels. noise: of the sensor, standard deviation in
    grey levels. light: the darkest corner relative to the brightest. shadow: how often the edge of
    a shadow falls on the line. dropout: how often the scanner's lamp has the colour of the form's
    print, which then cannot be seen. quality: of the JPEG file; None saves PNG.
    """

    rotation: float
    perspective: float
    height: tuple[int, int]
    blur: tuple[float, float]
    texture: tuple[float, float]
    noise: tuple[float, float]
    light: tuple[float, float]
    shadow: float
    dropout: float
    quality: tuple[int, int] | None

    @property
    def suffix(self) -> str:
        """The end of the file's name."""
        return ".jpg" if self.quality else ".png"


PHONE = Capture(
    rotation=3.5,
    perspective=0.08,
    height=(38, 62),
    blur=(0.2, 1.0),
    texture=(0.5, 2.5),
    noise=(0.5, 5.0),
    light=(0.55, 1.0),
    shadow=0.25,
    dropout=0.0,
    quality=(62, 94),
)
FLATBED = Capture(
    rotation=1.5,
    perspective=0.015,
    height=(38, 62),
    blur=(0.0, 0.5),
    texture=(0.0, 0.6),
    noise=(0.0, 1.0),
    light=(0.94, 1.0),
    shadow=0.0,
    dropout=0.7,
    quality=None,
)
PRINTOUT = Capture(
    rotation=1.0,
    perspective=0.02,
    height=(32, 56),
    blur=(0.1, 0.8),
    texture=(0.5, 2.5),
    noise=(1.0, 7.0),
    light=(0.8, 1.0),
    shadow=0.1,
    dropout=0.0,
    quality=(60, 90),
)


def paper(
    width: int, height: int, colour: Pixels, capture: Capture, rng: np.random.Generator
) -> Pixels:
    """A blank sheet of `colour` (RGB, 0..255) with fibres and stains: [height, width, 3]."""
    texture = np.float32(rng.uniform(*capture.texture))
    fibres = rng.standard_normal((height, width), np.float32)
    stains = soft_noise(width, height, 24, rng) * np.float32(rng.uniform(0.5, 2.0))
    return (colour + texture * (fibres + stains)[..., None]).astype(np.float32, copy=False)


def lay_over(sheet: Pixels, colour: Pixels, cover: Pixels) -> Pixels:
    """Put `colour` (RGB) on `sheet` as far as `cover` (0..1, [height, width]) says."""
    share = cover[..., None]
    return (sheet + (colour - sheet) * share).astype(np.float32, copy=False)


def soft_noise(width: int, height: int, grain: int, rng: np.random.Generator) -> Pixels:
    """Noise of about unit size that changes over `grain` pixels: float32 [height, width]."""
    coarse = rng.standard_normal((height // grain + 2, width // grain + 2), np.float32)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def take_picture(scene: Pixels, capture: Capture, rng: np.random.Generator) -> bytes:
    """Photograph or scan `scene` (float32 [height, width, 3], 0..255): an image file."""
    image = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    image = _tilt(image, capture, rng)
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(*capture.blur))))
    pixels = np.asarray(image, dtype=np.float32)
    height, width = pixels.shape[:2]
    pixels = pixels * _light(width, height, capture, rng)[..., None]
    pixels = pixels + _sensor_noise(width, height, capture, rng)
    file = io.BytesIO()
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if capture.quality:
        image.save(file, "JPEG", quality=int(rng.integers(*capture.quality, endpoint=True)))
    else:
        image.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _tilt(image: Image.Image, capture: Capture, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    # People hold a phone straighter over a long line, or its ends would not be in the picture.
    most = min(np.radians(capture.rotation), 0.3 * height / width)
    angle = float(rng.uniform(-most, most))
    corners = np.array([[0, 0], [0, height], [width, height], [width, 0]], dtype=np.float64)
    centre = np.array([width / 2, height / 2])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (corners - centre) @ turn.T + centre
    corners += rng.uniform(-1, 1, corners.shape) * capture.perspective * height
    # A corner outside the scene would show black, which no photograph of a form does.
    corners = np.clip(corners, 0, [width - 1, height - 1])
    target_height = int(rng.integers(*capture.height, endpoint=True))
    target_width = max(12, round(width * target_height / height * float(rng.uniform(0.92, 1.08))))
    # Reduce in two steps: one transform from a much larger image would alias.
    return image.transform(
        (2 * target_width, 2 * target_height),
        Image.Transform.QUAD,
        tuple(corners.ravel()),
        Image.Resampling.BILINEAR,
    ).resize((target_width, target_height), Image.Resampling.BOX)


def _light(width: int, height: int, capture: Capture, rng: np.random.Generator) -> Pixels:
    dark = float(rng.uniform(*capture.light))
    direction = float(rng.uniform(0, 2 * np.pi))
    across = np.linspace(-1, 1, width)[None, :] * np.cos(direction)
    down = np.linspace(-1, 1, height)[:, None] * np.sin(direction)
    position = (across + down + 2) / 4
    light = dark + (1 - dark) * position
    if rng.random() < capture.shadow:
        # The edge of a hand's or phone's shadow.
        edge = float(rng.uniform(0.2, 0.8))
        softness = float(rng.uniform(0.03, 0.15))
        light = light * (1 - (1 - dark) * 0.6 / (1 + np.exp((position - edge) / softness)))
    return np.asarray(light, dtype=np.float32)


def _sensor_noise(width: int, height: int, capture: Capture, rng: np.random.Generator) -> Pixels:
    sigma = np.float32(rng.uniform(*capture.noise))
    grey = rng.standard_normal((height, width, 1), np.float32)
    colour = rng.standard_normal((height, width, 3), np.float32)
    return (sigma * (grey + np.float32(0.5) * colour)).astype(np.float32, copy=False)
