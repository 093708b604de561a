"""Which device computes: a GPU when Paddle has one, else the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle


@contextmanager
def single_threaded(wanted: bool) -> Iterator[None]:
    """Let Paddle compute on one CPU thread while the block runs.

    The operations of a small network are over before a second thread has woken up.
    """
    if wanted:
        paddle.base.core.set_num_threads(1)
    try:
        yield
    finally:
        if wanted:
            paddle.base.core.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@dataclass(frozen=True)
class Device:
    """The device that trains. On a GPU most operations run in half precision, losses in full."""

    name: str
    _scaler: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def best(cls) -> Device:
        """Choose the device and make it Paddle's default."""
        if paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0:
            paddle.set_device("gpu")
            return cls("gpu", paddle.amp.GradScaler(init_loss_scaling=1024.0))
        paddle.set_device("cpu")
        return cls("cpu")

    @property
    def is_gpu(self) -> bool:
        """Whether a GPU computes."""
        return self.name == "gpu"

    @property
    def processors(self) -> int:
        """How many CPU threads Paddle computes with."""
        return int(os.environ.get("OMP_NUM_THREADS", "1"))

    def tensor(self, array: npt.NDArray[np.float32]) -> paddle.Tensor:
        """Return the array on the device.

        To a GPU it goes through page-locked memory, so that the copy runs beside the computation.
        """
        if not self.is_gpu:
            return paddle.to_tensor(array)
        pinned = paddle.to_tensor(array, place=paddle.CUDAPinnedPlace())
        return pinned.cuda(blocking=False)

    @contextmanager
    def precision(self) -> Iterator[None]:
        """Run the forward pass in the device's precision."""
        with paddle.amp.auto_cast(enable=self.is_gpu, level="O1"):
            yield

    def backward(self, loss: Any) -> None:  # noqa: ANN401  (a tensor)
        """Add the loss's gradients."""
        if self._scaler is None:
            loss.backward()
        else:
            self._scaler.scale(loss).backward()

    def step(self, optimizer: Any) -> None:  # noqa: ANN401  (Paddle's optimizer)
        """Apply the gradients and clear them."""
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()
        optimizer.clear_grad()
