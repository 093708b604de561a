"""PaddleOCR's attention and Paddle's dropout, made cheap to train with on a CPU."""

from __future__ import annotations

import math

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from ppocr.modeling.backbones.rec_svtrnet import Attention

_BYTE_VALUES = 256


def quicken(network: nn.Layer) -> None:
    """Exchange attention and dropout layers in place; parameters and their names stay."""
    for layer in network.sublayers():
        if type(layer) is Attention and layer.mixer == "Global":
            layer.__class__ = QuickAttention
        elif type(layer) is nn.Dropout and layer.axis is None:
            layer.__class__ = QuickDropout


class QuickAttention(Attention):  # type: ignore[misc]
    """Global self-attention without transposed copies.

    PaddleOCR swaps axes of five-dimensional arrays, which on a CPU takes four times as long as all
    the arithmetic. Here the channels come before the steps, and the matrix products read their
    operands in whichever order they lie. An exported network keeps PaddleOCR's form.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Attend: [lines, steps, channels] to the same shape."""
        if not paddle.in_dynamic_mode():
            return super().forward(x)
        mixed = paddle.matmul(self.qkv.weight, x, transpose_x=True, transpose_y=True)
        if self.qkv.bias is not None:
            mixed = mixed + self.qkv.bias.unsqueeze(1)
        heads = mixed.reshape([0, 3 * self.num_heads, self.head_dim, -1])
        queries, keys, values = paddle.split(heads, 3, axis=1)
        scores = paddle.matmul(queries * self.scale, keys, transpose_x=True)
        shares = self.attn_drop(F.softmax(scores, axis=-1))
        attended = paddle.matmul(values, shares, transpose_y=True).reshape([0, self.dim, -1])
        projected = paddle.matmul(attended, self.proj.weight, transpose_x=True) + self.proj.bias
        return self.proj_drop(projected)


class QuickDropout(nn.Dropout):  # type: ignore[misc]
    """Dropout that draws one byte per value instead of Paddle's one random float.

    The probability is rounded to 1/256. Paddle's seed decides what is dropped.
    """

    def forward(self, input: paddle.Tensor) -> paddle.Tensor:  # noqa: A002  (Paddle's name)
        """Drop values in training."""
        dropped = round(self.p * _BYTE_VALUES)
        if not self.training or not paddle.in_dynamic_mode() or input.place.is_gpu_place():
            return super().forward(input)
        seed = int(paddle.randint(0, 2**31 - 1, [1], dtype="int32").item())
        drawn = np.random.Generator(np.random.SFC64(seed)).bytes(math.prod(input.shape))
        kept = np.frombuffer(drawn, dtype=np.uint8).reshape(input.shape) >= dropped
        scale = np.float32(_BYTE_VALUES / (_BYTE_VALUES - dropped))
        return input * paddle.to_tensor(kept * scale)
