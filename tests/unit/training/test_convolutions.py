"""Compiled convolutions compute what Paddle's do, forwards and backwards."""

import copy
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from finetuning import convolutions
from finetuning.artefacts import TrainableModel
from finetuning.convolutions import QuickDepthwise, QuickRepLayer, quicken_convolutions
from finetuning.reparameterization import fuse

SHAPES = [
    (5, (1, 1), (2, 4, 3, 80)),
    (3, (2, 1), (3, 5, 12, 33)),
    (5, (1, 2), (1, 3, 7, 40)),
    (3, (2, 2), (2, 2, 9, 11)),
    (7, (1, 1), (1, 2, 4, 6)),
]


def random(*shape: int) -> Any:
    values = np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)
    return paddle.to_tensor(values, stop_gradient=False)


def gradients(result: Any, *inputs: Any) -> list[Any]:
    for each in inputs:
        each.clear_gradient(set_to_zero=False)
    (result * paddle.cos(paddle.arange(result.size).reshape(result.shape) * 0.1)).sum().backward()
    return [each.grad.numpy() for each in inputs]


@pytest.mark.parametrize(("size", "stride", "shape"), SHAPES)
def test_a_depthwise_convolution_and_its_gradients_are_paddles(
    size: int, stride: tuple[int, int], shape: tuple[int, ...]
) -> None:
    channels = shape[1]
    layer = nn.Conv2D(channels, channels, size, stride, size // 2, groups=channels)
    quicken_convolutions(nn.Sequential(layer))
    assert type(layer) is QuickDepthwise
    images = random(*shape)

    found = layer(images)

    expected = F.conv2d(images, layer.weight, layer.bias, stride, size // 2, groups=channels)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)
    inputs = (images, layer.weight, layer.bias)
    for ours, theirs in zip(gradients(found, *inputs), gradients(expected, *inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_is_not_trained_gets_no_gradient() -> None:
    layer = nn.Conv2D(4, 4, 3, padding=1, groups=4)
    quicken_convolutions(nn.Sequential(layer))
    images = random(2, 4, 5, 6).detach()
    layer.bias.stop_gradient = True

    layer(images).sum().backward()

    assert images.grad is None
    assert layer.bias.grad is None
    assert layer.weight.grad is not None


def test_a_network_computes_and_learns_the_same(pp_ocrv4: TrainableModel) -> None:
    stock = copy.deepcopy(pp_ocrv4.network)
    fuse(stock)
    quick = copy.deepcopy(stock)
    quicken_convolutions(quick)
    fused = [layer for layer in quick.sublayers() if type(layer) is QuickRepLayer]
    assert len(fused) == 28
    assert sum(type(layer.reparam_conv) is QuickDepthwise for layer in fused) == 14
    images = random(2, 3, 48, 96)

    found: dict[str, list[Any]] = {}
    for name, network in (("stock", stock), ("quick", quick)):
        network.eval()
        used = [
            parameter
            for path, parameter in network.backbone.named_parameters()
            if "reparam_conv" in path or ".lab." in path
        ]
        assert len(used) == 28 * 6
        features = network.backbone(images)
        found[name] = [features.numpy(), *gradients(features, *used)]

    for ours, theirs in zip(found["quick"], found["stock"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2D(4, 4, 3, padding=1),
        nn.Conv2D(4, 8, 3, padding=1, groups=4),
        nn.Conv2D(4, 4, 3, padding=0, groups=4),
        nn.Conv2D(4, 4, 3, padding=2, dilation=2, groups=4),
        nn.Conv2D(4, 4, (1, 3), padding=(0, 1), groups=4),
        nn.Conv2D(4, 4, 2, padding=1, groups=4),
    ],
)
def test_other_convolutions_stay_paddles(layer: Any) -> None:
    quicken_convolutions(nn.Sequential(layer))

    assert type(layer) is nn.Conv2D


def test_without_the_compiler_the_log_says_so_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(convolutions, "kernels", None)
    monkeypatch.setattr(convolutions, "_why_not", "No module named 'numba'")
    layer = nn.Conv2D(4, 4, 3, padding=1, groups=4)

    quicken_convolutions(nn.Sequential(layer))

    assert type(layer) is nn.Conv2D
    assert "Convolutions run at Paddle's speed: No module named 'numba'" in capsys.readouterr().out
