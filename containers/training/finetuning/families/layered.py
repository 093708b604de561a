"""Families whose whole network is made of Paddle layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
from paddle import nn

from finetuning.device import Device
from finetuning.export import export_part, export_recognizer
from finetuning.families.family import Depth, Front
from finetuning.networks import Network, build_network
from recognition.artefact import CONFIG, DICTIONARY, WEIGHTS
from recognition.preprocessing import LineShape, Tensor
from recognition.recognizer import open_session

if TYPE_CHECKING:
    from finetuning.artefacts import TrainableModel


@dataclass(frozen=True)
class LayeredFamily:
    """A family that is told by the layers of its backbone.

    `stages` lists them in the order of execution, pooling as in evaluation; the last `last_stage`
    of them are what is trained in part.
    """

    name: str
    model_name: str
    backbone: str
    stages: Callable[[Network], list[Network]]
    last_stage: int
    depths: frozenset[Depth] = frozenset(Depth)
    files: tuple[str, ...] = (WEIGHTS, CONFIG, DICTIONARY)

    def build(self, architecture: Mapping[str, Any], classes: int, model_dir: Path) -> Network:
        """Build the network; the configuration says it all. Raises ConfigError."""
        return build_network(architecture, classes)

    def front(
        self, network: Network, depth: Depth, shape: LineShape, device: Device
    ) -> Front | None:
        """Return the frozen stages as one function, None when all are trained.

        On a CPU ONNX Runtime computes them, several times faster than Paddle.
        """
        frozen, _ = self._divided(network, depth)
        if not frozen:
            return None
        layers = nn.Sequential(*frozen)
        if device.is_gpu:
            return _paddle_front(layers)
        return _onnx_front(export_part(layers, [None, 3, shape.height, -1]))

    def end(self, network: Network, depth: Depth) -> list[Network]:
        """Return the trained stages, neck and head."""
        _, trained = self._divided(network, depth)
        return [*trained, network.neck, network.head]

    def _divided(self, network: Network, depth: Depth) -> tuple[list[Network], list[Network]]:
        stages = self.stages(network.backbone)
        trained = {Depth.HEAD: 0, Depth.PARTIAL: self.last_stage, Depth.FULL: len(stages)}
        cut = len(stages) - trained[depth]
        return stages[:cut], stages[cut:]

    def export(self, model: TrainableModel, model_dir: Path) -> None:
        """Write Paddle's inference model, its description and the ONNX model."""
        export_recognizer(
            model.network, model.dictionary, model.image_shape, self.model_name, model_dir
        )


def _paddle_front(layers: Network) -> Front:
    def run(images: Tensor) -> Tensor:
        layers.eval()
        with paddle.no_grad():
            return np.asarray(layers(paddle.to_tensor(images)).numpy(), dtype=np.float32)

    return run


def _onnx_front(model: bytes) -> Front:
    session = open_session(model)
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> Tensor:
        (features,) = session.run(None, {name: images})
        return features

    return run
