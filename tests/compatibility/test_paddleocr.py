"""PaddleOCR's own tools, unmodified and in their own environment, on our models."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from tests.compatibility.conftest import ReadModel

from benchmarks import processes
from benchmarks.places import PADDLEOCR_PYTHON, paddleocr_package
from benchmarks.rivals.running import paddleocr_environment

THREADS = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
PREDICTION = re.compile(r"Predicts of (.+?):(\(.*\))$", re.MULTILINE)


def run_paddleocr(log: Path, *command: str | Path) -> str:
    environment = paddleocr_environment(THREADS)
    done = processes.run([PADDLEOCR_PYTHON, *command], log, environment, limit=300).check()
    return done.log.read_text(encoding="utf-8")


def test_its_evaluation_reports_our_accuracy(model: ReadModel, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    rows = (f"{model.images / line.name}\t{line.text}\n" for line in model.lines)
    labels.write_text("".join(rows), encoding="utf-8")

    log = run_paddleocr(
        tmp_path / "log.txt",
        paddleocr_package() / "tools" / "eval.py",
        *("-c", model.directory / "config.yml", "-o"),
        f"Global.pretrained_model={model.directory / 'best_accuracy'}",
        f"Global.character_dict_path={model.directory / 'dict.txt'}",
        f"Global.save_model_dir={tmp_path}",
        "Eval.dataset.data_dir=/",
        f"Eval.dataset.label_file_list=[{labels}]",
        "Eval.loader.batch_size_per_card=8",
    )

    (reported,) = re.findall(r"INFO: acc:([0-9.]+)", log)
    # It divides by a little more than the number of lines.
    assert float(reported) == pytest.approx(model.accuracy, abs=1e-4)
    # Where every line is right, or wrong, any two readers agree.
    assert 0 < model.accuracy < 1


def test_its_prediction_reads_the_onnx_model_as_we_do(model: ReadModel, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    names = [f"{number:03d}{path.suffix}" for number, path in enumerate(model.paths())]
    for name, path in zip(names, model.paths(), strict=True):
        (images / name).symlink_to(path)

    log = run_paddleocr(
        tmp_path / "log.txt",
        paddleocr_package() / "tools" / "infer" / "predict_rec.py",
        *("--image_dir", images, "--rec_batch_num", "1", "--use_gpu", "False"),
        *("--use_onnx", "True", "--rec_model_dir", model.directory / "inference" / "model.onnx"),
        *("--rec_char_dict_path", model.directory / "dict.txt", "--use_space_char", "False"),
    )

    found = {Path(path).name: ast.literal_eval(read)[0] for path, read in PREDICTION.findall(log)}
    assert [found[name].strip() for name in names] == model.readings


def test_its_present_version_reads_the_paddle_model_as_we_do(
    model: ReadModel, tmp_path: Path
) -> None:
    inference = model.directory / "inference"
    described = yaml.safe_load((inference / "inference.yml").read_text(encoding="utf-8"))
    readings = tmp_path / "readings.json"

    run_paddleocr(
        tmp_path / "log.txt",
        Path(__file__).with_name("read_with_paddleocr3.py"),
        described["Global"]["model_name"],
        *(inference, readings, *model.paths()),
    )

    texts = json.loads(readings.read_text(encoding="utf-8"))
    assert [text.strip() for text in texts] == model.readings
