"""The recognizer: the same reading alone or in company, and a clear refusal of broken models."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from finetuning.fonts import latin_faces
from finetuning.rendering import draw_line
from recognition.artefact import ArtefactError
from recognition.images import Pixels
from recognition.recognizer import Recognizer

(FACE,) = (face for face in latin_faces(40) if face.file.name == "DejaVuSans.ttf")


def picture(text: str, zoom: float = 1.0) -> Pixels:
    line = draw_line(text, FACE, np.random.default_rng(len(text)))
    return np.asarray(cv2.resize(line, None, fx=zoom, fy=zoom), dtype=np.uint8)


@pytest.fixture(scope="module")
def recognizer(tiny_dir: Path) -> Recognizer:
    return Recognizer.load(tiny_dir, threads=1)


def test_digits_are_read(recognizer: Recognizer) -> None:
    texts = ["1234", "907", "52", "31.07", "8866"]

    readings = recognizer.read([picture(text) for text in texts])

    right = sum(reading.text == text for reading, text in zip(readings, texts, strict=True))
    assert right >= 3
    assert all(0.0 <= reading.confidence <= 1.0 for reading in readings)


def test_a_line_reads_the_same_alone_and_in_company(recognizer: Recognizer) -> None:
    pictures = [picture("7" * length, 0.5 + length / 8) for length in (1, 2, 3, 9, 14, 4)]

    together = recognizer.read(pictures)
    alone = [recognizer.read([one])[0] for one in pictures]

    assert [reading.text for reading in together] == [reading.text for reading in alone]
    np.testing.assert_allclose(
        [reading.confidence for reading in together],
        [reading.confidence for reading in alone],
        atol=1e-4,
    )


def test_no_lines_give_no_readings(recognizer: Recognizer) -> None:
    assert recognizer.read([]) == []


def test_the_artefact_describes_itself(recognizer: Recognizer) -> None:
    assert recognizer.dictionary_size == 15
    assert " " in recognizer.dictionary.characters
    assert recognizer.manifest.family == "tiny"
    assert recognizer.manifest.image_shape == (3, 32, 96)
    assert recognizer.manifest.versions["paddle2onnx"] == "2.1.0"


@pytest.fixture
def copy(tiny_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_dir, tmp_path / "model"))


@pytest.mark.parametrize("missing", ["inference/model.onnx", "dict.txt", "manifest.json"])
def test_a_missing_file_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()

    with pytest.raises(ArtefactError, match=f"lacks {missing}"):
        Recognizer.load(copy)


def test_a_damaged_network_is_refused(copy: Path) -> None:
    (copy / "inference/model.onnx").write_bytes(b"no network")

    with pytest.raises(ArtefactError, match="differs from its checksum"):
        Recognizer.load(copy)


def test_a_network_that_cannot_be_loaded_is_refused_without_checksums(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "sha256": {}}))
    (copy / "inference/model.onnx").write_bytes(b"no network")

    with pytest.raises(ArtefactError, match="cannot be loaded by ONNX Runtime"):
        Recognizer.load(copy)


def test_the_dictionary_of_another_model_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "sha256": {}}))
    (copy / "dict.txt").write_text("a\nb\n")

    with pytest.raises(ArtefactError, match="do not belong together"):
        Recognizer.load(copy)
