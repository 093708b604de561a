"""Growing a dictionary: what was known stays, what is new can be learnt."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from finetuning.artefacts import Lineage, TrainableModel, load_model, write_model
from finetuning.growth import grown, without
from finetuning.losses import ctc_loss
from finetuning.networks import read_weights
from finetuning.rendering import GenericLines
from recognition.artefact import MODEL_ONNX
from recognition.dictionary import DictionaryError
from recognition.preprocessing import LineShape, scale_line, to_tensor
from recognition.recognizer import Recognizer, open_session

from .computing import run

NEW = ("\u20ac", "\u0142", "\u0119", "\u00df", "\U00010400")


@pytest.fixture
def tiny(tiny_dir: Path) -> TrainableModel:
    return load_model(tiny_dir)[0]


@pytest.fixture(scope="module", params=["tiny", "pp-ocrv4-mobile", "pp-ocrv6-small"])
def pair(
    request: pytest.FixtureRequest,
    tiny_dir: Path,
    pp_ocrv4: TrainableModel,
    pp_ocrv6: TrainableModel,
) -> tuple[TrainableModel, TrainableModel]:
    """A model that knows none of the new characters, and the same grown."""
    real = {
        "tiny": load_model(tiny_dir)[0],
        "pp-ocrv4-mobile": pp_ocrv4,
        "pp-ocrv6-small": pp_ocrv6,
    }[request.param]
    model = without(real, _known(real))
    return model, grown(model, NEW, seed=1)


@pytest.fixture
def model(pair: tuple[TrainableModel, TrainableModel]) -> TrainableModel:
    return pair[0]


@pytest.fixture
def more(pair: tuple[TrainableModel, TrainableModel]) -> TrainableModel:
    return pair[1]


def _known(model: TrainableModel) -> list[str]:
    return [character for character in NEW if character in model.dictionary.characters]


def lines(model: TrainableModel, count: int = 12) -> Any:
    shape = LineShape.of(model.image_shape)
    drawn = GenericLines(model.dictionary, 3).lines(count)
    return to_tensor([scale_line(line.pixels, shape)[:, : shape.width] for line in drawn], 320)


def head_inputs(model: TrainableModel, batch: Any) -> Any:
    model.network.eval()
    with paddle.no_grad():
        return model.network.neck(model.network.backbone(paddle.to_tensor(batch))).numpy()


def logits(model: TrainableModel, sequence: Any, outputs: Sequence[int]) -> Any:
    """Of these outputs alone: libraries add up in another order for another number of them."""
    fc = model.network.head.fc
    weight, bias = (parameter.numpy()[..., list(outputs)] for parameter in (fc.weight, fc.bias))
    return sequence.astype(np.float64) @ np.ascontiguousarray(weight, np.float64) + bias


def probabilities(model: TrainableModel, batch: Any) -> Any:
    return run(model.network, batch)


def test_what_was_known_stays_bit_for_bit(model: TrainableModel, more: TrainableModel) -> None:
    classes = model.dictionary.classes
    assert more.dictionary.characters == (*model.dictionary.characters, *NEW)
    before, after = read_weights(model.network), read_weights(more.network)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name][..., : value.shape[-1]], value, err_msg=name)
    batch = lines(model)
    sequence = head_inputs(model, batch)
    np.testing.assert_array_equal(head_inputs(more, batch), sequence)
    old = logits(model, sequence, range(classes))
    np.testing.assert_array_equal(logits(more, sequence, range(classes)), old, strict=True)
    grown_logits = logits(more, sequence, range(more.dictionary.classes))
    np.testing.assert_allclose(grown_logits[..., :classes], old, rtol=0, atol=1e-12)


def test_what_was_read_is_read_as_before(model: TrainableModel, more: TrainableModel) -> None:
    batch = lines(model, 10)
    old, new = probabilities(model, batch), probabilities(more, batch)
    readings = model.dictionary.read_probabilities(old)
    found = more.dictionary.read_probabilities(new)
    assert any(reading.text for reading in readings)
    assert [reading.text for reading in found] == [reading.text for reading in readings]
    np.testing.assert_allclose(new[..., : old.shape[-1]], old, atol=1e-2)


def test_new_characters_neither_win_nor_vanish(model: TrainableModel, more: TrainableModel) -> None:
    new = probabilities(more, lines(model, 10))[..., model.dictionary.classes :]
    assert new.sum(axis=2).max() < 0.02
    assert new.max() > 1e-5
    assert new.min() > 0.0
    weight = more.network.head.fc.weight.numpy()[:, model.dictionary.classes :]
    assert len({column.tobytes() for column in weight.T}) == len(NEW)


def test_new_characters_are_learnt(tiny: TrainableModel) -> None:
    more = grown(tiny, ["\u20ac"], seed=1)
    sequence = paddle.to_tensor(head_inputs(more, lines(tiny, 4)))
    targets = [more.dictionary.encode("\u20ac")] * 4
    head = more.network.head
    head.train()
    optimizer = paddle.optimizer.AdamW(1e-2, parameters=head.parameters())
    first = ctc_loss(head(sequence), targets).item()
    for _ in range(60):
        loss = ctc_loss(head(sequence), targets)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()

    assert loss.item() < 0.2 * first
    head.eval()
    read = more.dictionary.read_probabilities(head(sequence).numpy())
    assert {reading.text for reading in read} == {"\u20ac"}


def test_a_grown_model_is_written_loaded_and_served_alike(
    model: TrainableModel, more: TrainableModel, tmp_path: Path
) -> None:
    write_model(more, Lineage("run-1"), {}, tmp_path)

    batch = lines(model, 4)
    expected = probabilities(more, batch)
    loaded, manifest = load_model(tmp_path)
    assert loaded.dictionary == more.dictionary
    assert manifest.dictionary_size == len(more.dictionary)
    assert loaded.family is more.family
    np.testing.assert_allclose(probabilities(loaded, batch), expected, atol=1e-6)
    (served,) = open_session(tmp_path / MODEL_ONNX).run(None, {"x": batch})
    np.testing.assert_allclose(served, expected, atol=2e-4)
    assert Recognizer.load(tmp_path).dictionary == more.dictionary


def test_what_grew_can_be_taken_back(model: TrainableModel, more: TrainableModel) -> None:
    back = without(more, NEW)

    assert back.dictionary == model.dictionary
    before, after = read_weights(model.network), read_weights(back.network)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    batch = lines(model, 4)
    np.testing.assert_array_equal(probabilities(back, batch), probabilities(model, batch))


def test_characters_leave_from_the_middle_and_the_others_keep_their_outputs(
    tiny: TrainableModel,
) -> None:
    less = without(tiny, ["5", "0"])

    assert less.dictionary.characters == tuple(
        character for character in tiny.dictionary.characters if character not in "05"
    )
    sequence = head_inputs(tiny, lines(tiny))
    kept = [0, *(tiny.dictionary.encode(character)[0] for character in less.dictionary.characters)]
    np.testing.assert_array_equal(
        logits(less, sequence, range(less.dictionary.classes)), logits(tiny, sequence, kept)
    )


def test_the_seed_decides_the_new_weights(tiny: TrainableModel) -> None:
    first, again, other = (grown(tiny, NEW, seed=seed).network.head.fc for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.weight.numpy(), again.weight.numpy())
    assert (first.weight.numpy() != other.weight.numpy()).any()


def test_nothing_new_is_a_copy(tiny: TrainableModel) -> None:
    same = grown(tiny, [], seed=1)

    assert same.dictionary == tiny.dictionary
    assert same.network is not tiny.network


@pytest.mark.parametrize(
    ("characters", "reason"),
    [
        (["\u20ac", "\u20ac"], "'\u20ac' is given twice"),
        (["7"], "has the character '7' already"),
        ([" "], "has the character ' ' already"),
        ([""], "one code point, but '' has 0"),
        (["ab"], "one code point, but 'ab' has 2"),
        (["e\u0301"], "has 2"),
        (["\n"], "is a control character"),
        (["\r"], "is a control character"),
        (["\t"], "is a control character"),
        (["\x00"], "is a control character"),
        (["\x85"], "is a control character"),
        (["\u2028"], "is a control character"),
        (["\ufeff"], "is a control character"),
        (["\ud800"], "is a control character"),
    ],
)
def test_what_no_dictionary_can_hold_is_refused(
    tiny: TrainableModel, characters: list[str], reason: str
) -> None:
    with pytest.raises(DictionaryError, match=reason):
        grown(tiny, characters, seed=1)


@pytest.mark.parametrize(
    ("characters", "reason"),
    [
        (lambda dictionary: ["\u20ac"], "does not have the character '\u20ac'"),
        (lambda dictionary: list(dictionary.characters), "No character would be left"),
    ],
)
def test_what_cannot_be_removed_is_refused(
    tiny: TrainableModel, characters: Callable[[Any], list[str]], reason: str
) -> None:
    with pytest.raises(DictionaryError, match=reason):
        without(tiny, characters(tiny.dictionary))
