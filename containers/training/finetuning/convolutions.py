"""Convolutions of mobile networks, made cheap to train with on a CPU.

Paddle's depthwise convolution takes most of a training step there; with compiled loops in its place
all weights of PP-OCRv4 mobile train several times faster. Where the loops cannot be compiled or do
not apply (a GPU, an export, other shapes), Paddle's own operations do the same.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer
from ppocr.modeling.backbones.rec_lcnetv3 import LearnableRepLayer

from finetuning.progress import announce
from finetuning.weights import Array

kernels: Any = None
_why_not = ""
try:
    from finetuning import convolution_kernels

    kernels = convolution_kernels
except (ImportError, OSError, RuntimeError) as error:
    _why_not = str(error)


def quicken_convolutions(network: nn.Layer) -> None:
    """Exchange convolution layers in place; parameters and their names stay.

    Branched convolutions must have been fused before.
    """
    if kernels is None:
        announce(f"Convolutions run at Paddle's speed: {_why_not}")
        return
    for layer in network.sublayers():
        if type(layer) is nn.Conv2D and _is_depthwise(layer):
            layer.__class__ = QuickDepthwise
        elif type(layer) is LearnableRepLayer and layer.is_repped and layer.stride != 2:
            layer.__class__ = QuickRepLayer


class QuickDepthwise(nn.Conv2D):  # type: ignore[misc]
    """A depthwise convolution in compiled loops."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve: [lines, channels, height, width]."""
        if not _applies(x):
            return super().forward(x)
        found = _Depthwise.apply(x, self.weight, tuple(self._stride))
        return found if self.bias is None else found + self.bias.reshape([1, -1, 1, 1])


class QuickRepLayer(LearnableRepLayer):  # type: ignore[misc]
    """A fused convolution whose bias, scales and activation are one pass over the images."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve and activate: [lines, channels, height, width]."""
        if not _applies(x):
            return super().forward(x)
        fused = self.reparam_conv
        if isinstance(fused, QuickDepthwise):
            found = _Depthwise.apply(x, fused.weight, tuple(fused._stride))
        else:
            found = nn.functional.conv2d(
                x, fused.weight, None, fused._stride, fused._padding, groups=fused._groups
            )
        outer = self.act.lab
        affine = paddle.concat([self.lab.scale, self.lab.bias, outer.scale, outer.bias])
        return _Activation.apply(found, fused.bias, affine)


def _is_depthwise(layer: nn.Conv2D) -> bool:
    channels, per_group, height, width = layer.weight.shape
    padding = layer._padding if isinstance(layer._padding, list) else [layer._padding] * 2
    return (
        layer._groups == channels == layer._in_channels
        and (per_group, height, height % 2) == (1, width, 1)
        and list(padding) == [height // 2] * 2
        and list(layer._dilation) == [1, 1]
    )


def _applies(x: paddle.Tensor) -> bool:
    return bool(paddle.in_dynamic_mode() and x.place.is_cpu_place() and x.dtype == paddle.float32)


class _Depthwise(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  (Paddle's)
        images: paddle.Tensor,
        weight: paddle.Tensor,
        stride: tuple[int, int],
    ) -> paddle.Tensor:
        ctx.wanted = _wanted(images, weight)
        images = images.contiguous()
        lines, channels, height, width = images.shape
        down, across = stride
        result = paddle.empty([lines, channels, -(-height // down), -(-width // across)])
        kernels.depthwise(_view(images), _view(weight), down, across, _view(result))
        ctx.save_for_backward(images, weight)
        ctx.stride = stride
        return result

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401  (Paddle's)
        gradients: paddle.Tensor,
    ) -> tuple[paddle.Tensor | None, ...]:
        images, weight = ctx.saved_tensor()
        gradients = gradients.contiguous()
        of_images, of_weight = paddle.empty_like(images), paddle.empty_like(weight)
        given = (_view(images), _view(weight), *ctx.stride, _view(gradients))
        kernels.depthwise_gradients(*given, _view(of_images), _view(of_weight))
        return _only(ctx.wanted, of_images, of_weight)


class _Activation(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  (Paddle's)
        images: paddle.Tensor,
        bias: paddle.Tensor,
        affine: paddle.Tensor,
    ) -> paddle.Tensor:
        ctx.wanted = _wanted(images, bias, affine)
        images = images.contiguous()
        result = paddle.empty_like(images)
        kernels.activate(_view(images), _view(bias), _view(affine), _view(result))
        ctx.save_for_backward(images, bias, affine)
        return result

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401  (Paddle's)
        gradients: paddle.Tensor,
    ) -> tuple[paddle.Tensor | None, ...]:
        images, bias, affine = ctx.saved_tensor()
        gradients = gradients.contiguous()
        of_images, of_bias = paddle.empty_like(images), paddle.empty_like(bias)
        of_affine = np.empty((bias.shape[0], affine.shape[0]), dtype=np.float64)
        given = (_view(images), _view(bias), _view(affine), _view(gradients))
        kernels.activate_gradients(*given, _view(of_images), _view(of_bias), of_affine)
        total = paddle.to_tensor(of_affine.sum(axis=0).astype(np.float32))
        return _only(ctx.wanted, of_images, of_bias, total)


def _wanted(*inputs: paddle.Tensor) -> tuple[bool, ...]:
    return tuple(not each.stop_gradient for each in inputs)


def _only(wanted: tuple[bool, ...], *gradients: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
    """Return None for what is not trained, as Paddle insists on."""
    return tuple(each if asked else None for asked, each in zip(wanted, gradients, strict=True))


def _view(tensor: paddle.Tensor) -> Array:
    """Return the tensor's own memory as an array; good as long as the tensor lives."""
    size = math.prod(tensor.shape)
    memory = (ctypes.c_float * size).from_address(tensor.data_ptr())
    return np.frombuffer(memory, dtype=np.float32).reshape(tensor.shape)
