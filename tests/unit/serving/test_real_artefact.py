"""An artefact of the training container, served: what comes out is what the recognizer reads."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from recognition.artefact import unpack
from recognition.recognizer import Recognizer

CONTAINERS = Path(__file__).parents[3] / "containers"
TRAINING_PYTHON = CONTAINERS.parent / ".runtimes" / "training" / "bin" / "python"
TEXTS = ("12.50", "4711", "09:30", "0123456789-0123456789")

pytestmark = [
    pytest.mark.training,
    pytest.mark.skipif(not TRAINING_PYTHON.exists(), reason="needs the training runtime"),
]


@pytest.fixture(scope="module")
def trained_base(tmp_path_factory):
    """An /opt/ml tree with the tiny model that package-model trains."""
    base = tmp_path_factory.mktemp("trained")
    archive = base / "model.tar.gz"
    made = subprocess.run(
        [
            TRAINING_PYTHON,
            CONTAINERS / "training" / "bin" / "package-model",
            "--source=tiny",
            f"--output={archive}",
        ],
        env={"PYTHONPATH": f"{CONTAINERS / 'shared'}:{CONTAINERS / 'training'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert made.returncode == 0, made.stdout
    unpack(archive, base / "model")
    return base


def drawn(text):
    font = ImageFont.load_default(28)
    image = Image.new("RGB", (int(font.getlength(text)) + 12, 36), "white")
    ImageDraw.Draw(image).text((6, 2), text, font=font, fill="black")
    return np.asarray(image)[:, :, ::-1].copy()


def test_a_trained_artefact_is_served_as_its_recognizer_reads(serve, trained_base, encoded):
    lines = [drawn(text) for text in TEXTS]
    recognizer = Recognizer.load(trained_base / "model", threads=1)
    expected = recognizer.read(lines)
    images = [base64.b64encode(encoded(line)).decode() for line in lines]

    with serve(trained_base) as server:
        server.wait_until_ready()
        answer = httpx.post(f"{server.url}/invocations", json={"images": images}, timeout=60)

    served = [result["predictions"][0] for result in answer.json()["results"]]
    assert [line["text"] for line in served] == [reading.text for reading in expected]
    assert [line["confidence"] for line in served] == pytest.approx(
        [reading.confidence for reading in expected], abs=1e-3
    )
    assert any(reading.text for reading in expected)
    assert answer.headers["x-model-version"] == recognizer.manifest.run_id
    assert answer.headers["x-dictionary-size"] == str(recognizer.dictionary_size)
