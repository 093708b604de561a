"""The tiny model, made once, and jobs in a directory laid out as SageMaker lays it out."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

# Paddle warns about compilers and deprecations of its own while it is imported.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle  # noqa: F401
    import paddle2onnx  # noqa: F401

    import finetuning  # noqa: F401

from finetuning.artefacts import TrainableModel
from finetuning.base_models import packaged_pp_ocrv4, packaged_pp_ocrv6
from finetuning.fonts import latin_faces
from finetuning.package import package
from finetuning.rendering import draw_line
from recognition.artefact import unpack


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning:paddle.*"))
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="session")
def tiny_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive = tmp_path_factory.mktemp("tiny") / "model.tar.gz"
        package("tiny", archive)
    return archive


@pytest.fixture(scope="session")
def tiny_dir(tiny_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tiny_archive, tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def pp_ocrv4() -> TrainableModel:
    """The real PP-OCRv4 mobile. Tests must not change it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return packaged_pp_ocrv4()


@pytest.fixture(scope="session")
def pp_ocrv6() -> TrainableModel:
    """The real PP-OCRv6 small. Tests must not change it."""
    return packaged_pp_ocrv6()


DrawLines = Callable[..., dict[str, str]]


@pytest.fixture
def draw_lines() -> DrawLines:
    """Write pictures of slanted numbers, which the tiny model has never seen; key to text."""

    def draw(images: Path, prefix: str, count: int, seed: int = 0) -> dict[str, str]:
        (face,) = (f for f in latin_faces(40) if f.file.name == "DejaVuSerif-BoldItalic.ttf")
        written = {}
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            text = str(rng.integers(10, 100000))
            key = f"{prefix}/images/{number:04d}.png"
            path = images / key
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), 255 - draw_line(text, face, rng))
            written[key] = text
        return written

    return draw


@dataclass(frozen=True)
class Job:
    """A job's base directory."""

    base: Path

    @property
    def images(self) -> Path:
        return self.base / "input/data/training"

    @property
    def failure(self) -> str:
        return (self.base / "output/failure").read_text()

    def label(self, name: str, lines: dict[str, str]) -> None:
        labels = self.base / "input/data/labels"
        labels.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{key}\t{value}\n" for key, value in lines.items())
        (labels / f"{name}.txt").write_text(text, encoding="utf-8")

    def list_new_characters(self, characters: str) -> None:
        listed = "".join(f"{character}\n" for character in characters)
        (self.base / "input/data/labels/new_characters.txt").write_text(listed, encoding="utf-8")

    def configure(self, **values: Any) -> None:
        config = self.base / "input/config"
        config.mkdir(parents=True, exist_ok=True)
        strings = {name: str(value) for name, value in values.items()}
        (config / "hyperparameters.json").write_text(json.dumps(strings))

    def give(self, champion: Path) -> None:
        target = self.base / "input/data/champion/model.tar.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(champion.read_bytes())


@pytest.fixture
def make_job(
    tmp_path: Path, tiny_archive: Path, draw_lines: DrawLines, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Job]:
    """Lay out a training job of the tiny model; the environment points at the latest one."""

    def make(name: str = "job", lines: int = 96, **hyperparameters: Any) -> Job:
        job = Job(tmp_path / name)
        job.give(tiny_archive)
        job.label("train", draw_lines(job.images, "incoming/train", lines, seed=1))
        job.label("dev", draw_lines(job.images, "incoming/dev", 24, seed=2))
        job.configure(**{"run_id": "run-1", **hyperparameters})
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(job.base))
        return job

    return make
