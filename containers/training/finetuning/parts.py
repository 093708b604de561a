"""The end of a network that is trained, and what it is fed with.

The frozen front before it runs once per picture; its results are stored and trained on many times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from finetuning.device import Device
from finetuning.families.family import Depth, Family, Front
from finetuning.networks import Network
from finetuning.outputs import TrainedOutputs, all_outputs
from finetuning.weights import Weights
from recognition.images import Pixels
from recognition.preprocessing import (
    LineShape,
    Tensor,
    batches_of_equal_width,
    to_tensor,
)

Inputs = npt.NDArray[Any]

# Larger batches leave the processor's cache on a CPU; a GPU is fed with more by its own factor.
_ENCODED_AT_ONCE = 4
_ENCODED_AT_ONCE_ON_GPU = 64


class TrainedPart:
    """Everything behind the frozen front: perhaps backbone layers, the neck, the CTC head."""

    def __init__(
        self, family: Family, network: Network, depth: Depth, shape: LineShape, device: Device
    ) -> None:
        """Freeze what lies before the depth."""
        self.network = network
        self._shape = shape
        self._device = device
        self._front: Front | None = family.front(network, depth, shape, device)
        *self._body, self._head = family.end(network, depth)
        trained = {id(parameter) for layer in self.layers() for parameter in layer.parameters()}
        for parameter in network.parameters():
            parameter.stop_gradient = id(parameter) not in trained
        self.outputs = TrainedOutputs(self._head, all_outputs(self._head), (), 1.0)

    @property
    def head(self) -> Network:
        """The CTC head."""
        return self._head

    @property
    def stored_type(self) -> str:
        """NumPy's name for what is stored of a line: pixels, or features in half precision."""
        return "uint8" if self._front is None else "float16"

    def choose_outputs(self, known: Sequence[int], added: Sequence[int], rate: float) -> None:
        """Train these outputs of the head only; `rate` is the added ones' learning rate factor."""
        self.outputs = TrainedOutputs(self._head, known, added, rate)

    def encode(self, lines: Sequence[Pixels]) -> list[Inputs]:
        """Return what is stored of scaled lines [height, width, 3], one array each.

        The front runs over them as evaluation and serving would: lines of equal width together.
        """
        if self._front is None:
            return list(lines)
        widths = [self._shape.padded_width(*line.shape[:2]) for line in lines]
        encoded: list[Inputs] = [np.empty(0)] * len(lines)
        at_once = _ENCODED_AT_ONCE_ON_GPU if self._device.is_gpu else _ENCODED_AT_ONCE
        for indices in batches_of_equal_width(widths, at_once, self._shape.width):
            batch = to_tensor([lines[index] for index in indices], widths[indices[0]])
            for index, features in zip(indices, self._front(batch), strict=True):
                encoded[index] = features.astype(self.stored_type)
        return encoded

    def width(self, shape: Sequence[int]) -> int:
        """Return the width class of a stored line: lines of equal class can share a batch."""
        if self._front is None:
            return self._shape.padded_width(shape[0], shape[1])
        return int(shape[-1])

    def layers(self) -> list[Network]:
        """Return the layers whose weights are trained, the head last."""
        return [*self._body, self._head]

    def weights(self) -> Weights:
        """Return copies of the arrays of the trained layers, by their name within the network."""
        trained = {id(tensor) for layer in self.layers() for tensor in layer.state_dict().values()}
        return {
            name: tensor.numpy().copy()
            for name, tensor in self.network.state_dict().items()
            if id(tensor) in trained
        }

    def set_weights(self, weights: Weights) -> None:
        """Set arrays by their name within the network, and what is trained in their place."""
        state: dict[str, Any] = self.network.state_dict()
        for name, value in weights.items():
            state[name].set_value(value)
        self.outputs.reload()

    def with_added_columns(self, origin: Weights, trained: Weights) -> Weights:
        """Return the weights of `origin` with the added characters' columns of `trained`."""
        added = self.outputs.added
        replaced = {id(tensor) for tensor in self.outputs.replaced()}
        result = dict(origin)
        for name, tensor in self.network.state_dict().items():
            if id(tensor) in replaced:
                result[name] = origin[name].copy()
                result[name][..., added] = trained[name][..., added]
        return result

    def body_parameters(self, backbone_rate: float) -> list[Any]:
        """Return what is trained before the head's last layer; the backbone learns more slowly."""
        backbone = {id(parameter) for parameter in self.network.backbone.parameters()}
        unused = {
            id(parameter)
            for layer in self.network.sublayers()
            if getattr(layer, "is_repped", False)
            for parameter in _branch_parameters(layer)
        }
        last = {id(parameter) for parameter in self.outputs.replaced()}
        chosen: dict[int, Any] = {}
        for layer in self.layers():
            for parameter in layer.parameters():
                if id(parameter) not in unused | last:
                    chosen[id(parameter)] = parameter
        for key, parameter in chosen.items():
            if key in backbone:
                parameter.optimize_attr["learning_rate"] = backbone_rate
        return list(chosen.values())

    def train(self, *, batch_statistics: bool = False) -> None:
        """Switch to training: dropout on.

        Batch normalisation stays on the champion's statistics unless asked otherwise. With batch
        statistics the network forgets faster and learns slower: a few hundred lines of one kind
        describe neither what it knew nor what it will see.
        """
        self.network.eval()
        for layer in self.layers():
            layer.train()
        if not batch_statistics:
            for layer in self._normalisations():
                layer.eval()

    def statistics(self) -> list[Any]:
        """Return the means and variances that batch normalisation keeps in the trained layers."""
        return [kept for layer in self._normalisations() for kept in (layer._mean, layer._variance)]

    def _normalisations(self) -> Iterator[Any]:
        for layer in self.layers():
            for inner in layer.sublayers(include_self=True):
                if isinstance(inner, (nn.BatchNorm2D, nn.BatchNorm)):
                    yield inner

    def eval(self) -> None:
        """Switch to evaluation."""
        self.network.eval()

    def batch(self, inputs: Sequence[Inputs]) -> Tensor:
        """Stack stored lines of equal width to what the first trained layer takes."""
        if self._front is None:
            return to_tensor(list(inputs), self.width(inputs[0].shape))
        return np.stack(inputs).astype(np.float32)

    def features(self, batch: Tensor, body: Sequence[Network] | None = None) -> paddle.Tensor:
        """Return the head's input [lines, steps, channels]; `body` can stand in for the layers."""
        found = self._device.tensor(batch)
        for layer in self._body if body is None else body:
            found = layer(found)
        return found

    def best_outputs(self, inputs: Sequence[Inputs]) -> npt.NDArray[np.int64]:
        """Return the most probable output of every step [lines, steps], of all outputs."""
        logits = self.outputs.all_logits(self.features(self.batch(inputs)))
        return np.asarray(paddle.argmax(logits, axis=2).numpy(), dtype=np.int64)


def _branch_parameters(layer: Network) -> list[Any]:
    branches = [layer.conv_kxk, layer.conv_1x1, layer.identity]
    return [p for branch in branches if branch is not None for p in branch.parameters()]
