"""Which part of a network is trained, and what that part is fed with.

The frozen part before it runs once per picture; its results are stored and trained on many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from finetuning.device import Device
from finetuning.export import export_part
from finetuning.networks import Network
from finetuning.reparameterization import fuse
from recognition.images import Pixels
from recognition.preprocessing import (
    LineShape,
    Tensor,
    batches_of_equal_width,
    to_tensor,
)
from recognition.recognizer import open_session

Inputs = npt.NDArray[Any]

_ENCODED_AT_ONCE = 4
_BACKBONE_RATE = 0.3


class TrainedPart(Protocol):
    """The trained end of a network."""

    stored_type: str

    def encode(self, lines: Sequence[Pixels]) -> list[Inputs]:
        """Return what the part is fed with for scaled lines [height, width, 3], one array each."""
        ...

    def width(self, shape: Sequence[int]) -> int:
        """Return the width class of an encoded line: lines of equal class can share a batch."""
        ...

    def layers(self) -> list[Network]:
        """Return the layers whose weights are trained."""
        ...

    def parameters(self) -> list[Any]:
        """Return the trained parameters, with their learning rate factors set."""
        ...

    def train(self) -> None:
        """Switch to training: dropout on, batch statistics frozen."""
        ...

    def outputs(self, inputs: Sequence[Inputs]) -> Any:  # noqa: ANN401  (a tensor)
        """Run the part: logits [lines, steps, classes] in training, else probabilities."""
        ...


def _freeze_statistics(layers: Sequence[Network]) -> None:
    """Keep batch normalisation on the champion's statistics.

    With batch statistics the network forgets faster and learns slower: a few hundred lines of one
    kind describe neither what it knew nor what it will see.
    """
    for layer in layers:
        for inner in layer.sublayers(include_self=True):
            if isinstance(inner, nn.BatchNorm2D):
                inner.eval()


class HeadPart:
    """Neck and CTC head, fed with backbone features [channels, 1, steps] in half precision."""

    stored_type = "float16"

    def __init__(self, network: Network, shape: LineShape, device: Device) -> None:
        """Freeze the backbone. On a CPU ONNX Runtime runs it, several times faster than Paddle."""
        self._network = network
        self._shape = shape
        self._session = None
        for parameter in network.backbone.parameters():
            parameter.stop_gradient = True
        if not device.is_gpu:
            self._session = open_session(export_part(network.backbone, [None, 3, shape.height, -1]))

    def encode(self, lines: Sequence[Pixels]) -> list[Inputs]:
        """Run the backbone over the lines as evaluation and serving would."""
        widths = [self._shape.padded_width(*line.shape[:2]) for line in lines]
        encoded: list[Inputs] = [np.empty(0)] * len(lines)
        for indices in batches_of_equal_width(widths, _ENCODED_AT_ONCE, self._shape.width):
            batch = to_tensor([lines[index] for index in indices], widths[indices[0]])
            for index, features in zip(indices, self._features(batch), strict=True):
                encoded[index] = features.astype(self.stored_type)
        return encoded

    def _features(self, batch: Tensor) -> Tensor:
        if self._session is not None:
            (features,) = self._session.run(None, {self._session.get_inputs()[0].name: batch})
            return features
        self._network.eval()
        with paddle.no_grad():
            features = self._network.backbone(paddle.to_tensor(batch)).numpy()
        return np.asarray(features, dtype=np.float32)

    def width(self, shape: Sequence[int]) -> int:
        """Return the number of time steps."""
        return int(shape[-1])

    def layers(self) -> list[Network]:
        """Return neck and head."""
        return [self._network.neck, self._network.head]

    def parameters(self) -> list[Any]:
        """Return the parameters of neck and head."""
        return [parameter for layer in self.layers() for parameter in layer.parameters()]

    def train(self) -> None:
        """Switch to training."""
        self._network.train()
        _freeze_statistics([self._network])

    def outputs(self, inputs: Sequence[Inputs]) -> Any:  # noqa: ANN401  (a tensor)
        """Run neck and head over stacked features."""
        features = paddle.to_tensor(np.stack(inputs).astype(np.float32))
        return self._network.head(self._network.neck(features))


class WholePart:
    """The whole network, fed with scaled pixels."""

    stored_type = "uint8"

    def __init__(self, network: Network, shape: LineShape) -> None:
        """Fuse branched convolutions: the same function at a fraction of the cost."""
        self._network = network
        self._shape = shape
        fuse(network)

    def encode(self, lines: Sequence[Pixels]) -> list[Inputs]:
        """Return the pixels themselves."""
        return list(lines)

    def width(self, shape: Sequence[int]) -> int:
        """Return the padded width in pixels."""
        return self._shape.padded_width(shape[0], shape[1])

    def layers(self) -> list[Network]:
        """Return the network."""
        return [self._network]

    def parameters(self) -> list[Any]:
        """Return all parameters in use; the backbone's learn more slowly."""
        for parameter in self._network.backbone.parameters():
            parameter.optimize_attr["learning_rate"] *= _BACKBONE_RATE
        unused = tuple(
            id(parameter)
            for layer in self._network.sublayers()
            if getattr(layer, "is_repped", False)
            for parameter in _branch_parameters(layer)
        )
        return [p for p in self._network.parameters() if id(p) not in unused]

    def train(self) -> None:
        """Switch to training.

        The backbone itself stays in evaluation: in training PaddleOCR's pools every line to 40 time
        steps whatever its width, which is not what evaluation sees.
        """
        self._network.train()
        self._network.backbone.eval()
        _freeze_statistics([self._network])

    def outputs(self, inputs: Sequence[Inputs]) -> Any:  # noqa: ANN401  (a tensor)
        """Run the network over padded pixels."""
        width = self.width(inputs[0].shape)
        return self._network(paddle.to_tensor(to_tensor(list(inputs), width)))


def _branch_parameters(layer: Network) -> list[Any]:
    branches = [layer.conv_kxk, layer.conv_1x1, layer.identity]
    return [p for branch in branches if branch is not None for p in branch.parameters()]
