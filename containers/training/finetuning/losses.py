"""CTC targets and PaddleOCR's CTC loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from ppocr.losses.rec_ctc_loss import CTCLoss

_ctc = CTCLoss()


def ctc_loss(logits: Any, targets: Sequence[Sequence[int]]) -> Any:  # noqa: ANN401  (tensors)
    """Return the mean CTC loss of [lines, steps, classes] logits against the lines' outputs."""
    longest = max(1, max(len(target) for target in targets))
    labels = np.zeros((len(targets), longest), dtype=np.int32)
    for row, target in zip(labels, targets, strict=True):
        row[: len(target)] = target
    lengths = np.array([len(target) for target in targets], dtype=np.int64)
    batch = [None, paddle.to_tensor(labels), paddle.to_tensor(lengths)]
    return _ctc(logits, batch)["loss"]
