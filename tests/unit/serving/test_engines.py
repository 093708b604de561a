"""The networks read the same in every engine: what was judged is what is served."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.unit.serving.processes import REPOSITORY

from recognition.artefact import ArtefactError
from recognition.recognizer import open_session
from serving.detection import TextDetector
from serving.engines import Activity, OpenVinoSession, choose_engine
from serving.settings import EngineName, Settings

RECOGNITION = "PP-OCRv6_rec_small.onnx"
# Probabilities; PaddleOCR's own engines differ by as much among each other.
TOLERANCE = 2e-3


@pytest.fixture(scope="module")
def detection_model():
    return Settings.from_environment({}).detection_model


@pytest.fixture(scope="module")
def recognition_model(detection_model):
    return detection_model.with_name(RECOGNITION)


def drawn(text, size=(0, 48)):
    font = ImageFont.load_default(30)
    width = max(size[0], int(font.getlength(text)) + 20)
    image = Image.new("RGB", (width, size[1]), "white")
    ImageDraw.Draw(image).text((8, 4), text, font=font, fill="black")
    return np.asarray(image)[:, :, ::-1]


TEXTS = ["Invoice 4711", "12.50", "Thank you for your order", "09:30", "QYP-6170-J2", "a"]


@pytest.mark.parametrize("width", [320, 480])
@pytest.mark.parametrize("lines", [1, 3])
def test_openvino_recognizes_as_onnx_runtime_does(recognition_model, width, lines):
    batch = np.zeros((lines, 3, 48, width), dtype=np.float32)
    for index in range(lines):
        line = drawn(TEXTS[index])[:, :width].transpose(2, 0, 1)
        batch[index, :, :, : line.shape[2]] = line / 127.5 - 1.0
    reference = open_session(recognition_model, 1)
    ours = OpenVinoSession(recognition_model, 1)
    name = reference.get_inputs()[0].name

    (expected,) = reference.run(None, {name: batch})
    (found,) = ours.run(None, {name: batch})

    assert ours.get_inputs()[0].name == name
    assert ours.get_outputs()[0].shape[-1] == expected.shape[-1]
    assert np.array_equal(found.argmax(axis=2), expected.argmax(axis=2))
    assert np.abs(found - expected).max() < TOLERANCE


def test_openvino_finds_the_lines_that_onnx_runtime_finds(detection_model):
    page = np.full((700, 500, 3), 255, dtype=np.uint8)
    for row, text in enumerate(TEXTS):
        line = drawn(text)
        page[40 + row * 100 : 88 + row * 100, 30 : 30 + line.shape[1]] = line

    (expected,) = TextDetector.load(detection_model, 960, open_session).find([page])
    (found,) = TextDetector.load(
        detection_model, 960, lambda model: OpenVinoSession(model, 1)
    ).find([page])

    assert len(found) == len(expected) == len(TEXTS)
    for mine, other in zip(found, expected, strict=True):
        assert np.abs(np.subtract(mine.corners, other.corners)).max() <= 1


def test_each_thread_has_outputs_of_its_own(recognition_model):
    session = OpenVinoSession(recognition_model, 2)
    name = session.get_inputs()[0].name
    rng = np.random.default_rng(0)
    batches = [rng.uniform(-1, 1, (1, 3, 48, 320)).astype(np.float32) for _ in range(8)]
    alone = [session.run(None, {name: batch})[0].copy() for batch in batches]

    with ThreadPoolExecutor(2) as threads:
        together = list(
            threads.map(lambda batch: session.run(None, {name: batch})[0].copy(), batches)
        )

    # Sums are added up in another order when threads share a network.
    assert all(
        np.abs(one - other).max() < TOLERANCE for one, other in zip(alone, together, strict=True)
    )


def test_only_the_first_of_several_runs_is_alone():
    activity = Activity()

    with activity.run() as first, activity.run() as second:
        pass
    with activity.run() as later:
        pass

    assert (first, second, later) == (True, False, True)


def test_alone_and_in_company_the_same_is_read(recognition_model):
    activity = Activity()
    session = OpenVinoSession(recognition_model, 2, activity)
    name = session.get_inputs()[0].name
    batch = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 320)).astype(np.float32)

    alone = session.run(None, {name: batch})[0].copy()
    with activity.run():
        shared = session.run(None, {name: batch})[0].copy()

    assert np.array_equal(alone.argmax(axis=2), shared.argmax(axis=2))
    assert np.abs(alone - shared).max() < TOLERANCE


def test_nothing_that_reports_to_somebody_is_imported(recognition_model):
    program = (
        "import sys; from pathlib import Path; from serving.engines import OpenVinoSession;"
        "OpenVinoSession(Path(sys.argv[1]), 1);"
        "print([name for name in sys.modules if 'telemetry' in name.lower()])"
    )
    containers = REPOSITORY / "containers"
    done = subprocess.run(
        [sys.executable, "-c", program, recognition_model],
        env={"PYTHONPATH": f"{containers / 'shared'}:{containers / 'inference'}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")

    with pytest.raises(ArtefactError, match="bad.onnx cannot be loaded by OpenVINO"):
        OpenVinoSession(tmp_path / "bad.onnx", 1)


@pytest.mark.parametrize(
    ("asked", "has_cuda", "has_openvino", "chosen", "lanes"),
    [
        (EngineName.AUTO, False, True, "openvino", 4),
        (EngineName.AUTO, False, False, "onnxruntime", 4),
        (EngineName.AUTO, True, True, "onnxruntime-cuda", 1),
        (EngineName.OPENVINO, True, True, "openvino", 4),
        (EngineName.ONNXRUNTIME, False, True, "onnxruntime", 4),
    ],
)
def test_the_engine_is_chosen_by_what_there_is(
    monkeypatch, asked, has_cuda, has_openvino, chosen, lanes
):
    providers = ["CUDAExecutionProvider"] if has_cuda else ["CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr("serving.engines.find_spec", lambda _name: has_openvino or None)

    engine = choose_engine(asked, 4, None)

    assert (engine.name, engine.lanes) == (chosen, lanes)
    assert engine.page_batch > 1 or not has_cuda or chosen == "openvino"


def test_an_engine_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr("serving.engines.find_spec", lambda _name: None)

    with pytest.raises(ArtefactError, match="SERVE_ENGINE=onnxruntime"):
        choose_engine(EngineName.OPENVINO, 2, None)
