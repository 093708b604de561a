"""The compact CTC loss: cheaper, and the same loss and gradient."""

import numpy as np
import paddle
import pytest

from finetuning import losses
from finetuning.losses import ctc_loss

TARGETS = [[5, 5, 900], [17], [1, 2, 3, 4]]


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
def test_leaving_out_unused_classes_changes_neither_loss_nor_gradient(
    scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = scale * np.random.default_rng(0).normal(size=(3, 20, 1000)).astype(np.float32)
    results = []
    for limit in (10_000, 512):
        monkeypatch.setattr(losses, "_MANY_CLASSES", limit)
        logits = paddle.to_tensor(values, stop_gradient=False)
        loss = ctc_loss(logits, TARGETS)
        loss.backward()
        results.append((loss.item(), logits.grad.numpy()))
    (full, full_gradient), (compact, compact_gradient) = results

    assert compact == pytest.approx(full, rel=1e-4)
    np.testing.assert_allclose(compact_gradient, full_gradient, atol=1e-4)


def test_a_confident_network_gives_a_finite_loss() -> None:
    values = np.full((1, 6, 1000), -50.0, dtype=np.float32)
    values[0, range(6), [5, 0, 5, 0, 900, 0]] = 50.0
    logits = paddle.to_tensor(values, stop_gradient=False)

    loss = ctc_loss(logits, [[5, 5, 900]])
    loss.backward()

    assert loss.item() == pytest.approx(0.0, abs=1e-3)
    assert np.isfinite(logits.grad.numpy()).all()
