"""Grow a model's dictionary, and shrink it, without touching what the other characters know."""

from __future__ import annotations

import copy
import dataclasses
import math
import unicodedata
from collections.abc import Sequence

import numpy as np
import paddle

from finetuning.artefacts import TrainableModel
from finetuning.calibration import calibration_images
from finetuning.networks import resize_head
from finetuning.weights import Array
from recognition.dictionary import BLANK, CharacterDictionary, DictionaryError
from recognition.preprocessing import LineShape

# Of the spread of the known characters' weights: new characters start alike but not the same.
_NOISE = 0.01
# The greatest probability that a new character starts with anywhere on rendered lines, and all of
# them together. Mean weights and biases alone make it 1e-7 in a dictionary of thousands, which
# training needs hundreds of steps to make up for, and a tenth in one of a dozen.
_PEAK = 1e-4
_PEAK_OF_ALL = 1e-3
_BYTE_ORDER_MARK = "\ufeff"
# Line and paragraph separators, control characters, halves of surrogate pairs.
_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")


def grown(model: TrainableModel, characters: Sequence[str], seed: int) -> TrainableModel:
    """Return a copy of the model whose dictionary ends with these characters as well.

    The weights of known characters stay bit for bit what they were. A new character's are near the
    mean of theirs, with a bias that makes it nowhere more than slightly probable, so that it is
    never read before it is learnt, and nowhere impossible, so that it can be learnt soon. The seed
    decides the noise that tells new characters apart.

    Raises DictionaryError for a character that is known already, given twice, or that a dictionary
    file cannot hold.
    """
    for index, character in enumerate(characters):
        _require_writable(character)
        if character in characters[:index]:
            raise DictionaryError(f"The new character {character!r} is given twice; give it once.")
    known = [character for character in characters if character in model.dictionary.characters]
    if known:
        raise DictionaryError(
            f"The dictionary has the character {known[0]!r} already; add only new ones."
        )
    dictionary = CharacterDictionary((*model.dictionary.characters, *characters))
    more = _with_outputs(model, dictionary, range(model.dictionary.classes), seed)
    if characters:
        _make_slightly_probable(more, model.dictionary)
    return more


def without(model: TrainableModel, characters: Sequence[str]) -> TrainableModel:
    """Return a copy of the model that cannot write these characters.

    The outputs of the others stay bit for bit what they were. Raises DictionaryError for a
    character that the dictionary does not have, and when none would be left.
    """
    for character in characters:
        if character not in model.dictionary.characters:
            raise DictionaryError(
                f"The dictionary does not have the character {character!r}; it cannot be removed."
            )
    removed = set(characters)
    kept = [
        output
        for output, character in enumerate(model.dictionary.characters, start=1)
        if character not in removed
    ]
    if not kept:
        raise DictionaryError("No character would be left; keep at least one.")
    dictionary = CharacterDictionary(
        tuple(model.dictionary.characters[output - 1] for output in kept)
    )
    return _with_outputs(model, dictionary, (BLANK, *kept), seed=0)


def with_dictionary(model: TrainableModel, dictionary: CharacterDictionary) -> TrainableModel:
    """Return a copy of the model with that dictionary; the head is fresh."""
    network = copy.deepcopy(model.network)
    resize_head(network, model.architecture, dictionary.classes)
    return dataclasses.replace(model, network=network, dictionary=dictionary)


def _make_slightly_probable(model: TrainableModel, known: CharacterDictionary) -> None:
    """Set the new outputs' biases, by how probable the network finds them on rendered lines."""
    shape = LineShape.of(model.image_shape)
    network, fc = model.network, model.network.head.fc
    with paddle.no_grad():
        images = paddle.to_tensor(calibration_images(known, shape))
        logits = fc(network.neck(network.backbone(images)))
        surplus = logits[:, :, known.classes :] - paddle.logsumexp(
            logits[:, :, : known.classes], axis=2, keepdim=True
        )
        peak = min(_PEAK, _PEAK_OF_ALL / surplus.shape[2])
        bias = fc.bias.numpy()
        bias[known.classes :] += math.log(peak) - surplus.max(axis=[0, 1]).numpy()
        fc.bias.set_value(bias)


def _require_writable(character: str) -> None:
    if len(character) != 1:
        raise DictionaryError(
            f"A new character must be one code point, but {character!r} has {len(character)}."
        )
    if character == _BYTE_ORDER_MARK or unicodedata.category(character) in _UNWRITABLE:
        raise DictionaryError(
            f"The new character {character!r} is a control character, which no label can hold."
        )


def _with_outputs(
    model: TrainableModel, dictionary: CharacterDictionary, kept: Sequence[int], seed: int
) -> TrainableModel:
    """Give the model the dictionary; its first outputs are the model's outputs `kept`."""
    old = model.network.head.fc
    resized = with_dictionary(model, dictionary)
    rng = np.random.default_rng(seed)
    added = dictionary.classes - len(kept)
    new = resized.network.head.fc
    for name in ("weight", "bias"):
        values = getattr(old, name).numpy()
        fresh = _fresh_outputs(values, added, rng)
        getattr(new, name).set_value(np.concatenate([values[..., list(kept)], fresh], axis=-1))
    return resized


def _fresh_outputs(values: Array, count: int, rng: np.random.Generator) -> Array:
    """Return so many outputs near the mean of all but the blank; outputs are the last axis."""
    characters = np.delete(values, BLANK, axis=-1).astype(np.float64)
    mean, spread = characters.mean(axis=-1, keepdims=True), characters.std(axis=-1, keepdims=True)
    noise = rng.standard_normal((*values.shape[:-1], count))
    return np.asarray(mean + _NOISE * spread * noise, dtype=values.dtype)
