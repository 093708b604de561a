"""Lines from right to left: what we read is what PaddleOCR's own decoder reads."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetuning.runtime import paddleocr_directory
from recognition.dictionary import CharacterDictionary


def _packaged(name: str) -> Path:
    return paddleocr_directory() / "ppocr/utils/dict" / name


def _decoder(dictionary: Path) -> Any:  # noqa: ANN401 - PaddleOCR is untyped
    # Alone: its package imports what only detection needs, and the image has not.
    file = paddleocr_directory() / "ppocr/postprocess/rec_postprocess.py"
    spec = importlib.util.spec_from_file_location("rec_postprocess", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CTCLabelDecode(character_dict_path=str(dictionary), use_space_char=False)


def test_arabic_is_read_as_paddleocr_reads_it() -> None:
    path = _packaged("arabic_dict.txt")
    ours = CharacterDictionary.read(path)
    theirs = _decoder(path)
    rng = np.random.default_rng(1)
    probabilities = rng.random((50, 30, ours.classes), dtype=np.float32)

    read = [reading.text for reading in ours.read_probabilities(probabilities)]

    assert ours.right_to_left
    assert read == [text for text, _ in theirs(probabilities)]


@pytest.mark.parametrize(
    ("name", "leftward"),
    [
        ("hebrew_dict.txt", True),
        ("fa_dict.txt", True),
        ("cyrillic_dict.txt", False),
        ("japan_dict.txt", False),
        ("ppocrv4_doc_dict.txt", False),
    ],
)
def test_dictionaries_of_paddleocr_tell_their_direction(name: str, leftward: bool) -> None:
    assert CharacterDictionary.read(_packaged(name)).right_to_left is leftward
