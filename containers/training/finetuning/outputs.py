"""The last layer of a CTC head while it is trained: some of its outputs, not all.

A dictionary has up to twenty thousand characters, a dataset spells a few hundred. Only the outputs
in use and their rivals (what the network could mistake them for) are trained; all others keep the
champion's weights bit for bit. CTC sees those only through the sum of their probabilities, which a
fresh sample of them estimates at every step (sampled softmax: Jean et al., On Using Very Large
Target Vocabulary, ACL 2015). Leaving them out altogether lets them win: nothing would hold them
down while the neck learns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
import paddle.nn.functional as F
from paddle import nn

from finetuning.networks import Network
from recognition.dictionary import BLANK

_SAMPLED = 1024

Indices = npt.NDArray[np.int64]


def last_linear(head: Network) -> tuple[Any, Any | None]:
    """Return a CTC head's last layer, and the one before it if it has two."""
    return (head.fc, None) if hasattr(head, "fc") else (head.fc2, head.fc1)


def all_outputs(head: Network) -> range:
    """Return the numbers of all outputs, blank included."""
    return range(last_linear(head)[0].weight.shape[1])


class TrainedOutputs(nn.Layer):  # type: ignore[misc]
    """The columns of the last layer that are trained: `known` ones, and `added` characters' ones.

    Position i of the logits is output `outputs[i]` of the network; position 0 is CTC's blank. One
    more logit at the end, where outputs are left out, stands for all of these together.
    """

    def __init__(
        self, head: Network, known: Iterable[int], added: Sequence[int], added_rate: float
    ) -> None:
        """Copy the columns; `added_rate` is the factor on the learning rate of added ones."""
        super().__init__()
        # In a list, so that Paddle does not take the network's layers for parts of this one.
        self._layers = list(last_linear(head))
        self.known = np.array(sorted({BLANK, *known} - set(added)), dtype=np.int64)
        self.added = np.array(sorted(added), dtype=np.int64)
        self.outputs = np.concatenate([self.known, self.added])
        self._left_out = np.setdiff1d(np.array(all_outputs(head)), self.outputs)
        self._sample: tuple[Any, Any] | None = None
        self._place = {int(output): place for place, output in enumerate(self.outputs)}
        inputs = self._linear.weight.shape[0]
        self.weight = self.create_parameter([inputs, len(self.known)])
        self.bias = self.create_parameter([len(self.known)], is_bias=True)
        self.added_weight = self.added_bias = None
        if len(self.added):
            self.added_weight = self.create_parameter([inputs, len(self.added)])
            self.added_bias = self.create_parameter([len(self.added)], is_bias=True)
            for parameter in (self.added_weight, self.added_bias):
                parameter.optimize_attr["learning_rate"] = added_rate
        self.reload()
        lengths = np.linalg.norm(self._linear.weight.numpy()[:, BLANK + 1 :], axis=0)
        ordinary = np.delete(lengths, self.added - BLANK - 1)
        self._longest = float(np.percentile(ordinary, 99)) if len(ordinary) else math.inf

    @property
    def _linear(self) -> Any:  # noqa: ANN401  (a Paddle layer)
        return self._layers[0]

    def reload(self) -> None:
        """Take the columns from the network."""
        for part, weight, bias in self._parts():
            index = paddle.to_tensor(part)
            weight.set_value(paddle.index_select(self._linear.weight, index, axis=1))
            bias.set_value(paddle.index_select(self._linear.bias, index))

    def write_back(self) -> None:
        """Put the columns into the network."""
        weight, bias = self._linear.weight.numpy().copy(), self._linear.bias.numpy().copy()
        for part, trained_weight, trained_bias in self._parts():
            weight[:, part] = trained_weight.numpy()
            bias[part] = trained_bias.numpy()
        self._linear.weight.set_value(weight)
        self._linear.bias.set_value(bias)

    def _parts(self) -> list[tuple[Indices, Any, Any]]:
        parts = [(self.known, self.weight, self.bias)]
        if len(self.added):
            parts.append((self.added, self.added_weight, self.added_bias))
        return parts

    def trained(self) -> list[Any]:
        """Return the parameters that take the place of the network's."""
        return [parameter for _, *pair in self._parts() for parameter in pair]

    def trained_added(self) -> list[Any]:
        """Return those of characters that were just added; none without any."""
        return [] if self.added_weight is None else [self.added_weight, self.added_bias]

    def trained_known(self) -> list[Any]:
        """Return those of characters that the champion knows."""
        return [self.weight, self.bias]

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        """Return logits [lines, steps, trained outputs] of the neck's [lines, steps, inputs]."""
        return self.logits(features, self.columns())

    def logits(self, features: paddle.Tensor, columns: tuple[Any, Any]) -> paddle.Tensor:
        """Return logits as `forward` does, with other columns in place of the trained ones."""
        hidden = self._hidden(features)
        logits = F.linear(hidden, *columns)
        if self._sample is None:
            return logits
        rest = paddle.logsumexp(F.linear(hidden, *self._sample), axis=-1, keepdim=True)
        return paddle.concat([logits, rest], axis=-1)

    def draw_sample(self, seed: Sequence[int]) -> None:
        """Choose which of the outputs left out stand for all of them in the next step."""
        if not len(self._left_out):
            return
        size = min(_SAMPLED, len(self._left_out))
        chosen = np.random.default_rng(seed).choice(self._left_out, size, replace=False)
        index = paddle.to_tensor(chosen)
        weight = paddle.index_select(self._linear.weight, index, axis=1).detach()
        bias = paddle.index_select(self._linear.bias, index).detach()
        self._sample = weight, bias + math.log(len(self._left_out) / size)

    def columns(self) -> tuple[Any, Any]:
        """Return weights [inputs, trained outputs] and biases."""
        if self.added_weight is None:
            return self.weight, self.bias
        return (
            paddle.concat([self.weight, self.added_weight], axis=1),
            paddle.concat([self.bias, self.added_bias]),
        )

    def all_logits(self, features: paddle.Tensor) -> paddle.Tensor:
        """Return logits of all outputs, with the weights that the network holds."""
        return F.linear(self._hidden(features), self._linear.weight, self._linear.bias)

    @contextmanager
    def only_added(self) -> Iterator[list[Any]]:
        """Compute gradients of added characters' parameters only while the block runs."""
        known = self.trained_known()
        for parameter in known:
            parameter.stop_gradient = True
        try:
            yield self.trained_added()
        finally:
            for parameter in known:
                parameter.stop_gradient = False

    def make_added_ordinary(self) -> None:
        """Give added columns the known ones' mean bias, and their lengths at most.

        A column of ordinary length fires where the features point its way and nowhere else; a long
        one, or one with a bias of its own, wins wherever the network is unsure.
        """
        if self.added_bias is None:
            return
        characters = self._linear.bias.numpy()[BLANK + 1 :]
        known = np.delete(characters, self.added - BLANK - 1)
        self.added_bias.set_value(np.full(len(self.added), known.mean(), dtype=np.float32))
        self.shorten_added()

    def shorten_added(self) -> None:
        """Scale added columns that are longer than the longest ordinary known ones."""
        if self.added_weight is None:
            return
        weight = self.added_weight.numpy()
        lengths = np.linalg.norm(weight, axis=0)
        scale = np.minimum(1.0, self._longest / np.maximum(lengths, 1e-12))
        self.added_weight.set_value((weight * scale).astype(weight.dtype))

    def replaced(self) -> list[Any]:
        """Return the network's own parameters that the copied columns stand for."""
        return [self._linear.weight, self._linear.bias]

    def _hidden(self, features: paddle.Tensor) -> paddle.Tensor:
        before = self._layers[1]
        return features if before is None else before(features)

    def places(self, outputs: Sequence[int]) -> list[int]:
        """Return where these outputs stand among the logits."""
        return [self._place[output] for output in outputs]


def rivals(head: Network, used: Iterable[int], count: int) -> list[int]:
    """Return the outputs whose weights are most like those of the used ones, the most alike first.

    They are what the network mixes up with them: look-alikes such as 0, O and full-width forms.
    """
    weight = last_linear(head)[0].weight.numpy()
    directions = weight / np.maximum(np.linalg.norm(weight, axis=0, keepdims=True), 1e-12)
    chosen = np.array(sorted(set(used) - {BLANK}), dtype=np.int64)
    if not len(chosen) or count < 1:
        return []
    closest = np.full(weight.shape[1], -1.0, dtype=np.float32)
    for start in range(0, len(chosen), 256):
        likeness = directions[:, chosen[start : start + 256]].T @ directions
        np.maximum(closest, likeness.max(axis=0), out=closest)
    closest[chosen] = -2.0
    closest[BLANK] = -2.0
    order = np.argsort(-closest, kind="stable")[:count]
    return [int(output) for output in order if closest[output] > -2.0]
