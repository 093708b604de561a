"""PP-OCRv6 small: a backbone that stays in ONNX Runtime, and neck and head that are trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
from paddle import nn
from ppocr.modeling.backbones.rec_svtrnet import Block, ConvBNLayer

from finetuning.attention import quicken
from finetuning.configuration import ConfigError
from finetuning.device import Device
from finetuning.export import ExportError, write_description
from finetuning.families.family import Depth, Front
from finetuning.families.onnx_graph import DividedGraph
from finetuning.networks import Network, joined, load_into, read_weights
from finetuning.programs.files import damage_as
from finetuning.programs.onnx_files import read_onnx
from finetuning.weights import Weights, WeightsError
from recognition.artefact import CONFIG, DICTIONARY, MODEL_ONNX, WEIGHTS
from recognition.preprocessing import LineShape, Tensor

if TYPE_CHECKING:
    from finetuning.artefacts import TrainableModel

BACKBONE = "FrozenOnnxBackbone"

PP_OCRV6_SMALL_ARCHITECTURE: Mapping[str, Any] = {
    "model_type": "rec",
    "algorithm": "SVTR_LCNet",
    "Transform": None,
    "Backbone": {"name": BACKBONE, "out_channels": 384, "last_pool_kernel_size": [3, 2]},
    "Neck": {"name": "LightSVTR", "dims": 120, "depth": 2, "num_heads": 8, "kernel_size": 7},
    "Head": {"name": "CTCHead", "fc_decay": 1.0e-05},
}

_NORM = ("weight", "bias", "_mean", "_variance")
# Of log probabilities. Right arrays differ by rounding, wrong ones by whole numbers.
_LEAST_PROBABILITY = 1e-12
_TOLERANCE = 0.05
_PROBED_STEPS = (5, 40)


class FrozenOnnxBackbone(nn.Layer):  # type: ignore[misc]
    """A backbone without parameters of Paddle's: [lines, 3, 48, width] to [lines, 384, 1, steps].

    ONNX Runtime runs it, and no gradient passes it.
    """

    def __init__(self, graph: DividedGraph, out_channels: int) -> None:
        """Wrap the part of the graph before its cut."""
        super().__init__()
        self.graph = graph
        self.out_channels = out_channels

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Return the features of the images."""
        return paddle.to_tensor(self.graph.features(images.numpy()))


class LightSVTR(nn.Layer):  # type: ignore[misc]
    """The neck: a local and a global mix over time, and a shortcut past both.

    [lines, channels, 1, steps] to [lines, steps, dims]; any number of steps.
    """

    def __init__(
        self, in_channels: int, dims: int, depth: int, num_heads: int, kernel_size: int
    ) -> None:
        """Build the layers; `depth` is the number of attention blocks."""
        super().__init__()
        local = {"kernel_size": (1, kernel_size), "padding": (0, kernel_size // 2)}
        self.shortcut = ConvBNLayer(in_channels, dims, kernel_size=1, act=nn.Swish)
        self.reduce = ConvBNLayer(in_channels, dims, kernel_size=1, act=nn.Swish)
        self.local = ConvBNLayer(dims, dims, groups=dims, act=nn.Swish, **local)
        self.blocks = nn.LayerList(
            [
                Block(
                    dim=dims,
                    num_heads=num_heads,
                    mlp_ratio=2.0,
                    qkv_bias=True,
                    drop=0.1,
                    attn_drop=0.1,
                    act_layer=nn.Swish,
                    epsilon=1e-5,
                    # PaddleOCR's name for normalising before each branch.
                    prenorm=False,
                )
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(dims, epsilon=1e-6)
        self.out_channels = dims

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        """Return the sequence of the features."""
        reduced = self.reduce(features)
        sequence = _sequence(reduced + self.local(reduced))
        for block in self.blocks:
            sequence = block(sequence)
        return self.norm(sequence) + _sequence(self.shortcut(features))


def _sequence(features: paddle.Tensor) -> paddle.Tensor:
    return features.squeeze(2).transpose([0, 2, 1])


@dataclass(frozen=True)
class PPOCRv6Small:
    """PP-OCRv6 small. The backbone is not in PaddleOCR's training code, so it cannot be trained."""

    name: str = "pp-ocrv6-small"
    model_name: str = "PP-OCRv6_small_rec"
    backbone: str = BACKBONE
    depths: frozenset[Depth] = frozenset({Depth.HEAD})
    files: tuple[str, ...] = (WEIGHTS, CONFIG, DICTIONARY, MODEL_ONNX)

    def build(self, architecture: Mapping[str, Any], classes: int, model_dir: Path) -> Network:
        """Build the network of an artefact around its inference/model.onnx."""
        graph = read_graph(model_dir / MODEL_ONNX, architecture)
        return network_of(graph, architecture, classes)

    def front(
        self, network: Network, depth: Depth, shape: LineShape, device: Device
    ) -> Front | None:
        """Return the backbone, on every device in ONNX Runtime."""
        self._require(depth)
        graph: DividedGraph = network.backbone.graph
        return graph.features

    def end(self, network: Network, depth: Depth) -> list[Network]:
        """Return neck and head."""
        self._require(depth)
        return [network.neck, network.head]

    def _require(self, depth: Depth) -> None:
        if depth not in self.depths:
            raise ConfigError(f"{self.name} can be trained at the depth head only, not {depth}.")

    def export(self, model: TrainableModel, model_dir: Path) -> None:
        """Put neck and head back into the graph and write it, with PaddleOCR's description."""
        graph: DividedGraph = model.network.backbone.graph
        weights = read_weights(model.network)
        arrays = [
            weights[name].reshape(shape)
            for name, _, shape in _expected(model.architecture, model.dictionary.classes)
        ]
        grafted = graph.grafted(arrays, model.dictionary.classes, model.dictionary.characters)
        difference = difference_to(grafted, model.network)
        if difference > _TOLERANCE:
            raise ExportError(
                f"The exported network differs from the trained one by {difference:.2g}."
            )
        target = model_dir / MODEL_ONNX
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(grafted.content)
        write_description(
            self.model_name,
            model.dictionary,
            model.image_shape,
            target.with_name("inference.yml"),
        )


def read_graph(path: Path, architecture: Mapping[str, Any]) -> DividedGraph:
    """Read an ONNX file and make sure that it holds this network.

    Raises WeightsError when it is another one.
    """
    graph = DividedGraph.of(read_onnx(path), architecture["Backbone"]["last_pool_kernel_size"])
    expected = list(_expected(architecture, graph.slots[-1].shape[-1] if graph.slots else 0))
    if len(graph.slots) != len(expected):
        raise WeightsError(
            f"{path.name} has {len(graph.slots)} arrays behind its backbone where PP-OCRv6 small "
            f"has {len(expected)}; it is another network."
        )
    for (name, operator, shape), slot in zip(expected, graph.slots, strict=True):
        if (slot.operator, slot.shape) != (operator, shape):
            raise WeightsError(
                f"{path.name} has {slot.operator} with {list(slot.shape)} where PP-OCRv6 small has "
                f"{operator} with {list(shape)} ({name}); it is another network."
            )
    return graph


def network_of(graph: DividedGraph, architecture: Mapping[str, Any], classes: int) -> Network:
    """Build the network around the graph, with the graph's own weights, in evaluation mode.

    Raises WeightsError when the graph has another number of outputs or computes something else.
    """
    arrays = graph.arrays()
    if arrays[-1].shape[-1] != classes:
        raise WeightsError(
            f"The ONNX model has {arrays[-1].shape[-1]} outputs where the dictionary asks for "
            f"{classes}; the two files do not belong together."
        )
    network = _assembled(graph, architecture, classes)
    state = network.state_dict()
    weights: Weights = {}
    for (name, _, _), array in zip(_expected(architecture, classes), arrays, strict=True):
        weights[name] = array.reshape(state[name].shape)
    load_into(network, weights)
    with damage_as("The ONNX model has the arrays of PP-OCRv6 small but cannot be run."):
        difference = difference_to(graph, network)
    if difference > _TOLERANCE:
        raise WeightsError(
            "The ONNX model has the arrays of PP-OCRv6 small but computes something else "
            f"(difference {difference:.2g}); it is another network."
        )
    return network


def _assembled(graph: DividedGraph, architecture: Mapping[str, Any], classes: int) -> Network:
    try:
        channels = int(architecture["Backbone"]["out_channels"])
        neck = {key: value for key, value in architecture["Neck"].items() if key != "name"}
        network = joined(
            FrozenOnnxBackbone(graph, channels),
            LightSVTR(channels, **neck),
            {**architecture["Head"], "out_channels": classes},
        )
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"config.yml describes no PP-OCRv6 small: {error}.") from error
    quicken(network)
    network.eval()
    return network


def difference_to(graph: DividedGraph, network: Network) -> float:
    """Return by how much the graph's end and the network's differ: log probabilities, at most."""
    rng = np.random.default_rng(0)
    channels = network.backbone.out_channels
    network.eval()
    worst = 0.0
    for steps in _PROBED_STEPS:
        features = rng.standard_normal((2, channels, 1, steps)).astype(np.float32)
        with paddle.no_grad():
            found = network.head(network.neck(paddle.to_tensor(features))).numpy()
        worst = max(worst, _log_difference(found, graph.probabilities(features)))
    return worst


def _log_difference(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        return math.inf
    # Paddle's softmax ends at exp(-64), ONNX Runtime's goes on; nobody reads so little.
    logs = [np.log(np.maximum(values, _LEAST_PROBABILITY)) for values in (found, expected)]
    difference = float(np.abs(logs[0] - logs[1]).max())
    return difference if math.isfinite(difference) else math.inf


def _expected(
    architecture: Mapping[str, Any], classes: int
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield name in the network, ONNX operator and shape of every array in execution order."""
    channels = int(architecture["Backbone"]["out_channels"])
    neck = architecture["Neck"]
    dims, kernel = int(neck["dims"]), int(neck["kernel_size"])
    yield from _convolution("neck.shortcut", (dims, channels, 1, 1))
    yield from _convolution("neck.reduce", (dims, channels, 1, 1))
    yield from _convolution("neck.local", (dims, 1, 1, kernel))
    for index in range(int(neck["depth"])):
        block = f"neck.blocks.{index}"
        yield from _norm(f"{block}.norm1", dims)
        yield from _linear(f"{block}.mixer.qkv", dims, 3 * dims)
        yield from _linear(f"{block}.mixer.proj", dims, dims)
        yield from _norm(f"{block}.norm2", dims)
        yield from _linear(f"{block}.mlp.fc1", dims, 2 * dims)
        yield from _linear(f"{block}.mlp.fc2", 2 * dims, dims)
    yield from _norm("neck.norm", dims)
    yield from _linear("head.fc", dims, classes)


def _convolution(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    yield f"{name}.conv.weight", "Conv", shape
    yield from ((f"{name}.norm.{part}", "BatchNormalization", shape[:1]) for part in _NORM)


def _norm(name: str, dims: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    yield f"{name}.weight", "Mul", (dims,)
    yield f"{name}.bias", "Add", (dims,)


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    yield f"{name}.weight", "MatMul", (inputs, outputs)
    yield f"{name}.bias", "Add", (outputs,)


PP_OCRV6_SMALL = PPOCRv6Small()
