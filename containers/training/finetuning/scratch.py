"""The tiny test model: trained from scratch on rendered digits within seconds, always the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle

from finetuning.artefacts import TrainableModel
from finetuning.device import single_threaded
from finetuning.fonts import Face, latin_faces
from finetuning.losses import ctc_loss
from finetuning.networks import Network, build_network
from finetuning.rendering import RenderedLine, draw_line
from finetuning.tiny import TINY_ARCHITECTURE, TINY_SHAPE
from finetuning.weights import WeightsError
from recognition.dictionary import CharacterDictionary
from recognition.preprocessing import LineShape, Tensor, scale_line, to_tensor

_CHARACTERS = "0123456789.-:/ "
_SEED = 1
_LINES = 480
_EPOCHS = 10
_BATCH = 16
_LEARNING_RATE = 5e-3
# A few upright fonts: more would take longer to learn and test nothing else.
_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "Manrope-Regular.ttf",
    "HankenGrotesk-Regular.otf",
)


def train_tiny() -> TrainableModel:
    """Train the tiny model. Raises WeightsError when no font package is installed."""
    dictionary = CharacterDictionary(tuple(_CHARACTERS))
    faces = tuple(face for face in latin_faces(40) if face.file.name in _FONTS)
    if not faces:
        raise WeightsError("No fonts are installed; install requirements-nodeps.txt.")
    paddle.seed(_SEED)
    network = build_network(TINY_ARCHITECTURE, dictionary.classes)
    lines = [_digits(faces, np.random.default_rng((_SEED, number))) for number in range(_LINES)]
    shape = LineShape.of(TINY_SHAPE)
    scaled = [scale_line(line.pixels, shape)[:, : shape.width] for line in lines]
    targets = [dictionary.encode(line.text) for line in lines]
    # One thread adds up in one order: the same weights every time.
    with single_threaded(True):
        _fit(network, to_tensor(scaled, shape.width), targets)
    return TrainableModel(network, dictionary, TINY_ARCHITECTURE, TINY_SHAPE)


def _fit(network: Network, images: Tensor, targets: Sequence[Sequence[int]]) -> None:
    schedule = paddle.optimizer.lr.CosineAnnealingDecay(
        _LEARNING_RATE, _EPOCHS * (_LINES // _BATCH)
    )
    optimizer = paddle.optimizer.Adam(
        schedule,
        parameters=network.parameters(),
        grad_clip=paddle.nn.ClipGradByGlobalNorm(10.0),
    )
    rng = np.random.default_rng(_SEED)
    network.train()
    for _ in range(_EPOCHS):
        order = rng.permutation(_LINES)
        for start in range(0, _LINES - _BATCH + 1, _BATCH):
            chosen = order[start : start + _BATCH]
            outputs = network(paddle.to_tensor(images[chosen]))
            ctc_loss(outputs, [targets[index] for index in chosen]).backward()
            optimizer.step()
            optimizer.clear_grad()
            schedule.step()
    network.eval()


def _digits(faces: tuple[Face, ...], rng: np.random.Generator) -> RenderedLine:
    number = int(rng.integers(0, 10 ** int(rng.integers(1, 7))))
    cents, hour = int(rng.integers(0, 100)), int(rng.integers(0, 24))
    text = (
        str(number),
        f"{number % 1000}.{cents:02d}",
        f"-{number % 1000}",
        f"{hour:02d}:{cents % 60:02d}",
        f"{hour}/{cents}",
        f"{hour} {cents}",
    )[rng.integers(6)]
    return RenderedLine(text, draw_line(text, faces[rng.integers(len(faces))], rng))
