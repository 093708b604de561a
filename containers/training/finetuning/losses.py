"""CTC loss: PaddleOCR's, made cheap for dictionaries of thousands of characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from ppocr.losses.rec_ctc_loss import CTCLoss

from recognition.dictionary import BLANK

_MANY_CLASSES = 512
_LEAST_REST = 1e-6

_ctc = CTCLoss()


def ctc_loss(logits: Any, targets: Sequence[Sequence[int]]) -> Any:  # noqa: ANN401  (tensors)
    """Return the mean CTC loss of [lines, steps, classes] logits against the lines' outputs."""
    if logits.shape[-1] <= _MANY_CLASSES:
        return _loss(logits, targets)
    return _loss(*_compacted(logits, targets))


def _loss(logits: Any, targets: Sequence[Sequence[int]]) -> Any:  # noqa: ANN401
    longest = max(1, max(len(target) for target in targets))
    labels = np.zeros((len(targets), longest), dtype=np.int32)
    for row, target in zip(labels, targets, strict=True):
        row[: len(target)] = target
    lengths = np.array([len(target) for target in targets], dtype=np.int64)
    batch = [None, paddle.to_tensor(labels), paddle.to_tensor(lengths)]
    return _ctc(logits, batch)["loss"]


def _compacted(
    logits: Any,  # noqa: ANN401
    targets: Sequence[Sequence[int]],
) -> tuple[Any, list[list[int]]]:
    """Return logits of the outputs that the batch spells and one for all others together.

    The loss and its gradient stay the same: CTC sees the others only through the sum of their
    probabilities. The kernel, though, spends its time on classes that no line of the batch has.
    """
    used = sorted({BLANK, *(output for target in targets for output in target)})
    place = {output: index for index, output in enumerate(used)}
    blanks = paddle.full([*logits.shape[:2], 1], BLANK, dtype="int64")
    # -log p(blank), by the one normalising kernel of Paddle that is fast on a CPU.
    surprise = F.cross_entropy(logits, blanks, reduction="none")
    chosen = paddle.index_select(logits, paddle.to_tensor(used), axis=2)
    log_probabilities = chosen - chosen[:, :, :1] - surprise
    rest = 1.0 - paddle.exp(log_probabilities).sum(axis=2, keepdim=True)
    log_rest = paddle.log(paddle.clip(rest, min=_LEAST_REST))
    compact = paddle.concat([log_probabilities, log_rest], axis=2)
    return compact, [[place[output] for output in target] for target in targets]
