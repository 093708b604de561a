"""Training some outputs of the head: the same logits, and all others untouched."""

from typing import Any

import numpy as np
import paddle
import pytest
from ppocr.modeling.heads.rec_ctc_head import CTCHead

from finetuning.outputs import TrainedOutputs, all_outputs, last_linear, rivals

CLASSES, INPUTS = 40, 8


@pytest.fixture(params=[None, 6])
def head(request: pytest.FixtureRequest) -> Any:
    paddle.seed(3)
    return CTCHead(INPUTS, CLASSES, mid_channels=request.param)


def features() -> Any:
    return paddle.to_tensor(np.random.default_rng(1).normal(size=(2, 5, INPUTS)).astype("float32"))


def test_the_logits_are_those_of_the_network(head: Any) -> None:
    outputs = TrainedOutputs(head, (7, 3), (39, 21), 2.0)
    head.train()

    found, expected = outputs(features()).numpy(), head(features()).numpy()

    assert list(outputs.outputs) == [0, 3, 7, 21, 39]
    np.testing.assert_allclose(found, expected[:, :, [0, 3, 7, 21, 39]], atol=1e-6)
    np.testing.assert_array_equal(outputs.all_logits(features()).numpy(), expected)
    assert outputs.places([39, 3]) == [4, 1]


def test_only_the_chosen_columns_change(head: Any) -> None:
    outputs = TrainedOutputs(head, (7,), (39,), 2.0)
    linear = last_linear(head)[0]
    before = linear.weight.numpy().copy(), linear.bias.numpy().copy()
    optimizer = paddle.optimizer.AdamW(0.1, parameters=outputs.trained())
    outputs(features()).square().sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(linear.weight.numpy(), before[0])

    outputs.write_back()

    changed = np.flatnonzero((linear.weight.numpy() != before[0]).any(axis=0))
    assert list(changed) == [0, 7, 39]
    untouched = [each for each in range(CLASSES) if each not in (0, 7, 39)]
    np.testing.assert_array_equal(linear.bias.numpy()[untouched], before[1][untouched])


def test_added_characters_learn_at_their_own_rate(head: Any) -> None:
    outputs = TrainedOutputs(head, all_outputs(head), (39,), 5.0)

    rates = [parameter.optimize_attr["learning_rate"] for parameter in outputs.trained()]

    assert rates == [1.0, 1.0, 5.0, 5.0]
    assert len(outputs.trained_known()) == 2


def test_a_reload_takes_what_the_network_holds(head: Any) -> None:
    outputs = TrainedOutputs(head, (7,), (), 1.0)
    linear = last_linear(head)[0]
    linear.bias.set_value(np.arange(CLASSES, dtype=np.float32))

    outputs.reload()

    assert list(outputs.bias.numpy()) == [0.0, 7.0]


def test_rivals_are_the_outputs_with_the_most_similar_weights(head: Any) -> None:
    linear = last_linear(head)[0]
    weight = linear.weight.numpy().copy()
    weight[:, 30] = 2.0 * weight[:, 7]
    weight[:, 12] = weight[:, 7] + 0.01
    linear.weight.set_value(weight)

    assert rivals(head, [0, 7], 2) == [30, 12]
    assert rivals(head, [0], 2) == []
    assert 7 not in rivals(head, [0, 7], CLASSES)
    assert 0 not in rivals(head, [0, 7], CLASSES)
