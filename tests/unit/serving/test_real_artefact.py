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
from recognition.preprocessing import scale_line, to_tensor
from recognition.recognizer import Recognizer
from serving.engines import OpenVinoSession

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


PADDLE = """
import sys
import numpy as np
import paddle.inference

model, batch, output = sys.argv[1:]
config = paddle.inference.Config(f"{model}/inference.json", f"{model}/inference.pdiparams")
config.disable_gpu()
predictor = paddle.inference.create_predictor(config)
handle = predictor.get_input_handle(predictor.get_input_names()[0])
lines = np.load(batch)
handle.reshape(lines.shape)
handle.copy_from_cpu(lines)
predictor.run()
name = predictor.get_output_names()[0]
np.save(output, predictor.get_output_handle(name).copy_to_cpu())
"""


def test_what_is_served_is_what_paddle_reads_within_the_tolerance(trained_base, tmp_path):
    model = trained_base / "model"
    served = Recognizer.load(model, open_model=lambda network: OpenVinoSession(network, 1))
    lines = [scale_line(drawn(text), served.shape) for text in TEXTS[:3]]
    batch = to_tensor(lines, served.shape.width)
    np.save(tmp_path / "batch.npy", batch)

    subprocess.run(
        [
            *(TRAINING_PYTHON, "-c", PADDLE, model / "inference"),
            *(tmp_path / "batch.npy", tmp_path / "paddle.npy"),
        ],
        check=True,
        capture_output=True,
    )

    expected = np.load(tmp_path / "paddle.npy")
    found = served.probabilities(batch)
    assert np.array_equal(found.argmax(axis=2), expected.argmax(axis=2))
    assert np.abs(found - expected).max() < 2e-3
