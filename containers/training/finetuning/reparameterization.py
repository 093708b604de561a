"""Branched convolutions of PPLCNetV3: fuse them for speed, and undo it for PaddleOCR's tools.

PPLCNetV3 trains with parallel branches, each with batch normalisation, that make one convolution.
Fusing them keeps the function and makes a step several times cheaper. PaddleOCR's tools load the
branched form only, so the fused kernel goes back into one branch and the others are silenced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from finetuning.networks import Network
from finetuning.weights import Weights
from recognition.preprocessing import Tensor


def branched_layers(network: Network) -> dict[str, Any]:
    """Return the network's branched convolutions by name; none for other families."""
    return {name: layer for name, layer in network.named_sublayers() if hasattr(layer, "rep")}


def fuse(network: Network) -> None:
    """Fuse every branched convolution of a network, or of some layers of it, in place.

    The network computes the same as before.
    """
    for layer in branched_layers(network).values():
        if not layer.is_repped:
            layer.rep()


def unfuse(fused: Network, stock: Network, calibration: Tensor) -> None:
    """Copy a network that is fused, wholly or in part, into PaddleOCR's branched form, in place.

    Both compute the same in evaluation. The surviving branch's normalisation gets the statistics of
    the calibration images [lines, 3, height, width], so that training from it does not start with a
    jump either.
    """
    convolutions = branched_layers(stock)
    _copy_shared(fused, stock, tuple(_fused_layers(fused)))
    with _recorded_statistics(fused) as statistics, paddle.no_grad():
        fused.eval()
        fused(paddle.to_tensor(calibration))
    for name, layer in _fused_layers(fused).items():
        mean, variance = statistics[name]
        _fill_branches(convolutions[name], layer.reparam_conv, mean, variance)


def _fused_layers(network: Network) -> dict[str, Any]:
    return {name: layer for name, layer in branched_layers(network).items() if layer.is_repped}


def _copy_shared(fused: Network, stock: Network, convolutions: tuple[str, ...]) -> None:
    values = fused.state_dict()
    for name, tensor in stock.state_dict().items():
        branch = any(
            name.startswith(tuple(f"{prefix}.{part}" for part in ("conv_", "identity")))
            for prefix in convolutions
        )
        if not branch:
            tensor.set_value(values[name])


@contextmanager
def _recorded_statistics(fused: Network) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Record mean and variance per channel of what each fused kernel gives before its bias."""
    statistics: dict[str, tuple[Any, Any]] = {}

    def recorder(name: str) -> Any:  # noqa: ANN401  (a Paddle hook)
        def record(layer: Network, inputs: tuple[Any, ...]) -> None:
            kernel = layer.reparam_conv
            outputs = F.conv2d(
                inputs[0],
                kernel.weight,
                None,
                kernel._stride,
                kernel._padding,
                groups=kernel._groups,
            )
            statistics[name] = (
                outputs.mean([0, 2, 3]),
                outputs.var([0, 2, 3], unbiased=False),
            )

        return record

    hooks = [
        layer.register_forward_pre_hook(recorder(name))
        for name, layer in _fused_layers(fused).items()
    ]
    try:
        yield statistics
    finally:
        for hook in hooks:
            hook.remove()


def _fill_branches(layer: Network, kernel: Any, mean: Any, variance: Any) -> None:  # noqa: ANN401
    for index, branch in enumerate(layer.conv_kxk):
        if index == 0:
            norm = branch.bn
            branch.conv.weight.set_value(kernel.weight)
            norm._mean.set_value(mean)
            norm._variance.set_value(variance)
            norm.weight.set_value((variance + norm._epsilon).sqrt())
            norm.bias.set_value(mean + kernel.bias)
        else:
            _silence(branch.bn)
            # Zeros compress to nothing, and a silent branch contributes nothing either way.
            branch.conv.weight.set_value(paddle.zeros_like(branch.conv.weight))
    if layer.conv_1x1 is not None:
        _silence(layer.conv_1x1.bn)
        layer.conv_1x1.conv.weight.set_value(paddle.zeros_like(layer.conv_1x1.conv.weight))
    if layer.identity is not None:
        _silence(layer.identity)


def _silence(norm: Any) -> None:  # noqa: ANN401
    norm.weight.set_value(paddle.zeros_like(norm.weight))
    norm.bias.set_value(paddle.zeros_like(norm.bias))


def fused_state(network: Network) -> Weights:
    """Return the arrays that a fused network uses, without its idle branches."""
    prefixes = tuple(
        f"{name}.{part}"
        for name in branched_layers(network)
        for part in ("conv_kxk", "conv_1x1", "identity")
    )
    return {
        name: np.array(tensor.numpy())
        for name, tensor in network.state_dict().items()
        if not name.startswith(prefixes)
    }
