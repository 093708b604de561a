"""What holds a training near its champion: L2-SP on the weights, distillation on the outputs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import paddle
import paddle.nn.functional as F

from finetuning.parts import TrainedPart
from recognition.preprocessing import Tensor


class Anchor:
    """L2-SP: every step pulls the weights towards where they started.

    Xuhong, Grandvalet, Davoine: Explicit Inductive Bias for Transfer Learning, ICML 2018. Applied
    decoupled from the gradient as AdamW does with weight decay, so that it does not depend on how
    large the gradients are.
    """

    def __init__(self, parameters: Sequence[Any], strength: float) -> None:
        """Remember where the parameters stand; `strength` 0 does nothing."""
        self._strength = strength
        self._pairs = [(p, p.clone().detach()) for p in parameters] if strength else []

    def pull(self, learning_rate: float) -> None:
        """Move every weight a share of learning rate times strength of the way back."""
        with paddle.no_grad():
            for parameter, start in self._pairs:
                share = min(1.0, learning_rate * self._strength)
                parameter.set_value(parameter + share * (start - parameter))


class Teacher:
    """The champion as it was, for learning without forgetting.

    Li, Hoiem: Learning without Forgetting, ECCV 2016: the student keeps the teacher's distribution
    over outputs, at every time step.
    """

    def __init__(self, part: TrainedPart) -> None:
        """Copy the part as it stands; it is never trained."""
        self._body = [copy.deepcopy(layer) for layer in part.layers()[:-1]]
        for layer in self._body:
            layer.eval()
        weight, bias = part.outputs.columns()
        self._columns = (weight.clone().detach(), bias.clone().detach())
        self._part = part

    def loss(self, batch: Tensor, logits: paddle.Tensor) -> Any:  # noqa: ANN401
        """Return the Kullback-Leibler divergence of the logits from the teacher's, per step."""
        with paddle.no_grad():
            features = self._part.features(batch, self._body)
            logits_then = self._part.outputs.logits(features, self._columns)
            wanted = F.softmax(logits_then, axis=-1)
        steps = logits.shape[0] * logits.shape[1]
        return F.kl_div(F.log_softmax(logits, axis=-1), wanted, reduction="sum") / steps
