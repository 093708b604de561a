"""The tiny backbone of the test model: plain convolutions that learn digits within seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle import nn

ARCHITECTURE_NAME = "TinyBackbone"

TINY_ARCHITECTURE: Mapping[str, Any] = {
    "model_type": "rec",
    "algorithm": "CRNN",
    "Transform": None,
    "Backbone": {"name": ARCHITECTURE_NAME, "channels": 16},
    "Neck": {"name": "SequenceEncoder", "encoder_type": "reshape"},
    "Head": {"name": "CTCHead", "fc_decay": 4.0e-05},
}
TINY_SHAPE = (3, 32, 96)


class TinyBackbone(nn.Layer):  # type: ignore[misc]
    """Five convolutions: [lines, 3, 32, width] to [lines, 4 * channels, 1, width / 4]."""

    def __init__(self, channels: int) -> None:
        """Build the layers; `channels` is the width of the first one."""
        super().__init__()
        layers: list[Any] = []
        inputs = 3
        for factor, stride in ((1, 2), (2, 2), (3, (2, 1)), (4, (2, 1)), (4, (2, 1))):
            outputs = channels * factor
            layers += [
                nn.Conv2D(inputs, outputs, 3, stride=stride, padding=1, bias_attr=False),
                nn.BatchNorm2D(outputs),
                nn.ReLU(),
            ]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.out_channels = inputs

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Return the features of the images."""
        return self.layers(images)
