"""What holds a training near its champion: the pull on weights, and the teacher's opinion."""

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from finetuning.artefacts import load_model
from finetuning.device import Device
from finetuning.families import Depth
from finetuning.parts import TrainedPart
from finetuning.retention import Anchor, Teacher
from recognition.preprocessing import LineShape

CPU = Device("cpu")


def parameter(value: float) -> Any:
    layer = paddle.nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(np.full((1, 1), value, dtype=np.float32))
    return layer.weight


def test_weights_are_pulled_a_share_of_the_way_back() -> None:
    weight = parameter(1.0)
    anchor = Anchor([weight], strength=10.0)
    weight.set_value(np.full((1, 1), 3.0, dtype=np.float32))

    anchor.pull(learning_rate=0.01)
    assert weight.item() == pytest.approx(2.8)

    anchor.pull(learning_rate=1.0)
    assert weight.item() == pytest.approx(1.0)


def test_without_strength_nothing_is_pulled() -> None:
    weight = parameter(1.0)
    anchor = Anchor([weight], strength=0.0)
    weight.set_value(np.full((1, 1), 3.0, dtype=np.float32))

    anchor.pull(learning_rate=1.0)

    assert weight.item() == 3.0


@pytest.fixture
def part(tiny_dir: Path) -> TrainedPart:
    model, _ = load_model(tiny_dir)
    shape = LineShape.of(model.image_shape)
    return TrainedPart(model.family, model.network, Depth.PARTIAL, shape, CPU)


def test_the_teacher_stays_what_the_champion_was(part: TrainedPart) -> None:
    rng = np.random.default_rng(1)
    stored = part.encode(list(rng.integers(0, 256, (3, 32, 96, 3)).astype(np.uint8)))
    batch = part.batch(stored)
    part.eval()
    teacher = Teacher(part)
    logits = part.outputs(part.features(batch))

    assert teacher.loss(batch, logits).item() == pytest.approx(0.0, abs=1e-5)

    for trained in (*part.body_parameters(1.0), *part.outputs.trained()):
        trained.set_value(trained + 0.05)
    moved = part.outputs(part.features(batch)).detach()
    moved.stop_gradient = False
    distance = teacher.loss(batch, moved)
    assert distance.item() > 0.01
    # Its gradient leads back: towards outputs that the teacher finds likelier.
    distance.backward()
    assert teacher.loss(batch, moved - 5.0 * moved.grad).item() < distance.item()
