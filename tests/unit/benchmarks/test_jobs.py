import json
from pathlib import Path

import pytest

from benchmarks import jobs, processes
from benchmarks.datasets import LabelledLine
from benchmarks.models import Base
from benchmarks.processes import Finished

LOG = """\
new_lines=180 replay_lines=0 generic_lines=77 dev_lines=20 guard_lines=120
epoch=1/2 step=10/13 loss=1.0 learning_rate=0.0005 images_per_second=90.0
epoch=1/2 step=13/13 loss=1.0 learning_rate=0.0005 images_per_second=90.0
epoch=2/2 step=13/13 loss=0.5 learning_rate=0.0001 images_per_second=90.0
The model was written after 40.0 seconds.
"""


@pytest.fixture
def base(tmp_path: Path) -> Base:
    directory = tmp_path / "base"
    directory.mkdir()
    (directory / "dict.txt").write_text("a\nb\n \n")
    return Base("pp-ocrv4-mobile", tmp_path / "model.tar.gz", directory)


def test_a_job_is_laid_out_as_sagemaker_does(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: object, log: Path, environment: dict[str, str]) -> Finished:
        log.write_text(LOG)
        assert environment["SAGEMAKER_BASE_DIR"] == str(tmp_path / "job-7")
        return Finished(0, 0.0, 40.0, 10**9, False, log)

    monkeypatch.setattr(processes, "run", run)
    lines = [LabelledLine("cyrillic/1.jpg", "a жa"), LabelledLine("cyrillic/2.jpg", "б")]

    result = jobs.train(tmp_path / "job-7", base, tmp_path / "data", lines, {"seed": 3})

    inputs = tmp_path / "job-7" / "input"
    hyperparameters = json.loads((inputs / "config/hyperparameters.json").read_text())
    assert hyperparameters == {"run_id": "job-7", "seed": "3"}
    assert (
        inputs / "data/labels/train.txt"
    ).read_text() == "cyrillic/1.jpg\ta жa\ncyrillic/2.jpg\tб\n"
    assert (inputs / "data/labels/new_characters.txt").read_text() == "б\nж\n"
    assert (inputs / "data/training").readlink() == tmp_path / "data"
    assert result.presented == 26 * 32
    assert result.generic_lines == 77


def test_lines_in_known_characters_bring_none(base: Base) -> None:
    assert jobs.new_characters(base, [LabelledLine("1.jpg", "ab a")]) == []


def test_a_log_without_steps_tells_nothing() -> None:
    assert jobs.presented("", 32) is None
    assert jobs.generic_lines("") is None
