"""Where things lie in the checkout."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ocr_retrain.repository import Repository

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = Repository(ROOT)
CACHE = REPOSITORY.cache / "benchmarks"
SCRIPTS = Path(__file__).resolve().parent / "scripts"
PADDLEOCR_PYTHON = ROOT / ".runtimes" / "paddleocr" / "bin" / "python"


def new_workspace() -> Path:
    """Make an empty directory to work in."""
    parent = CACHE / "work"
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent))


def training_environment(**more: str) -> dict[str, str]:
    """Return the variables with which the training container's programs run on this machine."""
    code = (REPOSITORY.shared_code, REPOSITORY.training_container)
    path = (str(REPOSITORY.training_python.parent), os.environ.get("PATH", os.defpath))
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(str(each) for each in code),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def paddleocr_package() -> Path:
    """Return the directory of PaddleOCR 2.10 as it was installed: `ppocr/`, `tools/`.

    Raises FileNotFoundError when the environment is missing.
    """
    environment = PADDLEOCR_PYTHON.parent.parent
    for found in environment.glob("lib/python*/site-packages/unstructured_paddleocr"):
        return found
    raise FileNotFoundError(
        "PaddleOCR's own tools are not installed: `make .runtimes/paddleocr/.installed`."
    )
