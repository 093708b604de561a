"""Lines to measure a network by where nobody has given any."""

from __future__ import annotations

import numpy as np

from finetuning.rendering import GenericLines
from recognition.dictionary import CharacterDictionary
from recognition.preprocessing import LineShape, Tensor, scale_line, to_tensor

_LINES = 16
_SEED = 7


def calibration_images(dictionary: CharacterDictionary, shape: LineShape) -> Tensor:
    """Return rendered lines of the dictionary's characters [lines, 3, height, width].

    Without font packages it is noise.
    """
    lines = [
        scale_line(line.pixels, shape)[:, : shape.width]
        for line in GenericLines(dictionary, _SEED).lines(_LINES)
    ]
    if not lines:
        size = (_LINES, shape.height, shape.width, 3)
        noise = np.random.default_rng(_SEED).integers(0, 256, size)
        lines = list(noise.astype(np.uint8))
    return to_tensor(lines, shape.width)
