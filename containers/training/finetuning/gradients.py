"""Keeping processes alike that train one network on shares of the same batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle

from finetuning.team import Team


def add_up_gradients(team: Team, parameters: Sequence[Any], loss: float) -> float:
    """Give every process the sum of all processes' gradients; return the sum of their losses.

    Each process has divided its loss by the lines of the whole batch, so that the sums are what one
    process would compute on all of them. A parameter that no process used keeps no gradient.
    """
    if team.size == 1:
        return loss
    used = [float(parameter.grad is not None) for parameter in parameters]
    # One exchange for all: each costs more than the numbers it carries.
    numbers = paddle.concat(
        [paddle.to_tensor([loss, *used], dtype="float32"), *map(_flat_gradient, parameters)]
    )
    team.add_up(numbers)
    heads = numbers[: 1 + len(used)].numpy()
    start = len(heads)
    for parameter, users in zip(parameters, heads[1:], strict=True):
        size = int(parameter.size)
        if users > 0:
            parameter.grad = numbers[start : start + size].reshape(parameter.shape)
        start += size
    return float(heads[0])


def average(team: Team, tensors: Sequence[Any]) -> None:
    """Replace tensors by their means over all processes."""
    if team.size == 1 or not tensors:
        return
    numbers = paddle.concat([tensor.flatten().astype("float32") for tensor in tensors])
    team.add_up(numbers)
    start = 0
    for tensor in tensors:
        size = int(tensor.size)
        tensor.set_value((numbers[start : start + size] / team.size).reshape(tensor.shape))
        start += size


def _flat_gradient(parameter: Any) -> paddle.Tensor:  # noqa: ANN401  (Paddle's)
    if parameter.grad is None:
        return paddle.zeros([int(parameter.size)], dtype="float32")
    return parameter.grad.flatten().astype("float32")
