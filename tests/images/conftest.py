"""The two images of this machine, and one training that the tests of all of them go on from."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.images.layout import TRAINING_OUTPUTS, OptMl, training_job
from tests.images.machine import Ended, Machine
from tests.images.measuring import MEASURED, measured
from tools.container_images.building import reference_of
from tools.container_images.engine import find_engine

from ocr_retrain.installation.sources import Device, Image


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine(find_engine())


@pytest.fixture(scope="session")
def training_image(machine: Machine) -> str:
    return _present(machine, Image.TRAINING)


@pytest.fixture(scope="session")
def inference_image(machine: Machine) -> str:
    return _present(machine, Image.INFERENCE)


def _present(machine: Machine, image: Image) -> str:
    reference = reference_of(image, Device.CPU)
    assert machine.engine.has(reference), f"{reference} is not here: make images-cpu"
    return reference


@pytest.fixture(scope="session")
def opt_ml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for the directories of jobs; readable by the image's own user."""
    path = tmp_path_factory.mktemp("opt-ml")
    for parent in (path, *path.parents[:2]):
        parent.chmod(0o755)
    yield path
    shutil.rmtree(path)


@dataclass(frozen=True)
class Trained:
    """A training job that ended, what it started from and what it made."""

    job: OptMl
    ended: Ended
    champion: Path
    candidate: Path


@pytest.fixture(scope="session")
def champion(machine: Machine, training_image: str, opt_ml: Path) -> Path:
    """The tiny model, packaged by the image itself."""
    target = opt_ml / "base"
    target.mkdir()
    ended = machine.run(
        training_image,
        ["package-model", "--source", "tiny", "--output", "/made/model.tar.gz"],
        mounts={"/made": target},
        writable=["/made"],
    )
    assert ended.code == 0, ended.output
    return target / "model.tar.gz"


@pytest.fixture(scope="session")
def trained(machine: Machine, training_image: str, champion: Path, opt_ml: Path) -> Trained:
    job = training_job(opt_ml / "training", champion)
    ended = machine.run(
        training_image, ["train"], mounts=job.training_mounts, writable=TRAINING_OUTPUTS
    )
    assert ended.code == 0, ended.output
    measured(f"train, the tiny model and 120 lines, whole container: {ended.seconds:.1f} s")
    candidate = opt_ml / "candidate.tar.gz"
    with tarfile.open(candidate, "w:gz") as archive:
        for file in sorted((job.base / "model").iterdir()):
            archive.add(file, file.name)
    return Trained(job, ended, champion, candidate)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for sentence in MEASURED:
        terminalreporter.write_line(sentence)
