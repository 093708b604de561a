"""Two models of ours, and lines that PaddleOCR's tools are to read exactly as we do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import jobs
from benchmarks.datasets import Data, LabelledLine
from benchmarks.models import PACKAGED, Base, base_model
from benchmarks.reading import Reader, exact_match

# PaddleOCR squeezes wider lines to 320 pixels where ours gives them a wider input.
WIDEST = 320 / 48
LINES_OF_A_KIND = 10


@dataclass(frozen=True)
class ReadModel:
    """An artefact, the lines, and what we read in them."""

    directory: Path
    images: Path
    lines: list[LabelledLine]
    readings: list[str]

    @property
    def accuracy(self) -> float:
        return exact_match(self.lines, self.readings)

    def paths(self) -> list[Path]:
        return [self.images / line.name for line in self.lines]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(tmp_path_factory.mktemp("lines"))


@pytest.fixture(scope="session")
def lines(data: Data) -> list[LabelledLine]:
    kinds = (
        data.kept("general", 3 * LINES_OF_A_KIND),
        data.test("handwriting", 3 * LINES_OF_A_KIND),
        data.test("cyrillic", 3 * LINES_OF_A_KIND),
    )
    return [line for kind in kinds for line in narrow(data.directory, kind)[:LINES_OF_A_KIND]]


def narrow(images: Path, lines: list[LabelledLine]) -> list[LabelledLine]:
    found = []
    for line in lines:
        with Image.open(images / line.name) as image:
            if image.width / image.height <= WIDEST:
                found.append(line)
    return found


@pytest.fixture(scope="session")
def base() -> Base:
    return base_model(PACKAGED)


@pytest.fixture(scope="session", params=["base", "fine-tuned"])
def model(
    request: pytest.FixtureRequest,
    base: Base,
    data: Data,
    lines: list[LabelledLine],
    tmp_path_factory: pytest.TempPathFactory,
) -> ReadModel:
    directory = base.directory
    if request.param == "fine-tuned":
        # Words in an alphabet that the base cannot write: its dictionary has grown afterwards. How
        # well it reads them does not matter here.
        taught = data.train("cyrillic", 40, 1)
        workspace = tmp_path_factory.mktemp("job")
        given = {"recipe": "head", "epochs": 1, "generic_lines": 20, "practice_lines": 0}
        directory = jobs.train(workspace, base, data.directory, taught, given).model
    cache = tmp_path_factory.mktemp("readings")
    # PaddleOCR leaves characters out of a label that the dictionary lacks, and compares the rest.
    characters = {*(directory / "dict.txt").read_text(encoding="utf-8").split("\n"), " "}
    known = [line for line in lines if set(line.text) <= characters]
    readings = Reader(data.directory, cache).read(directory, {"all": known})["all"]
    return ReadModel(directory, data.directory, known, readings)
