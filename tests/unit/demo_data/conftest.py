from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_retrain.demo_data import DemoData, Sizes, build

SMALL = Sizes(train=16, holdout=6, samples=6, golden=12)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    return build(tmp_path_factory.mktemp("demo") / "data", sizes=SMALL)


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    def read(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    return read
