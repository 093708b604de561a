"""Times training steps of a whole network; runs in the training runtime.

training_steps.py MODEL_DIRECTORY LINES STEPS SECONDS.json: the file gets the seconds of each step,
with Paddle's convolutions and with the compiled ones. Both sides take turns, so that what else the
machine does falls on both.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from pathlib import Path

import numpy as np
import paddle

from finetuning.artefacts import load_model
from finetuning.convolutions import kernels, quicken_convolutions
from finetuning.networks import Network
from finetuning.reparameterization import fuse
from recognition.preprocessing import LineShape

_RATE = 1e-6


def main(directory: str, lines: str, steps: str, seconds: str) -> None:
    """Take the steps."""
    if kernels is None:
        raise SystemExit("The loops cannot be compiled here; there is nothing to compare.")
    model, _ = load_model(Path(directory))
    fuse(model.network)
    quick = copy.deepcopy(model.network)
    quicken_convolutions(quick)
    shape = LineShape.of(model.image_shape)
    pixels = np.random.default_rng(1).standard_normal((int(lines), 3, shape.height, shape.width))
    images = paddle.to_tensor(pixels.astype(np.float32))
    sides = {"paddle": _Side(model.network, images), "compiled": _Side(quick, images)}
    for side in sides.values():
        side.step()
    taken = [{name: side.step() for name, side in sides.items()} for _ in range(int(steps))]
    found = {name: [each[name] for each in taken] for name in sides}
    Path(seconds).write_text(json.dumps(found), encoding="utf-8")


class _Side:
    def __init__(self, network: Network, images: paddle.Tensor) -> None:
        self._network, self._images = network, images
        self._optimizer = paddle.optimizer.AdamW(_RATE, parameters=network.parameters())
        # As in training: the batch statistics are the champion's.
        network.eval()

    def step(self) -> float:
        """Go forwards, backwards and a step; return its seconds."""
        started = time.perf_counter()
        self._network(self._images).square().mean().backward()
        self._optimizer.step()
        self._optimizer.clear_grad()
        return time.perf_counter() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
