"""Where the checkout is, and what lies where in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ocr_retrain.errors import UserError

_MARKERS = ("template.yaml", "containers")


@dataclass(frozen=True)
class Repository:
    """A checkout of this repository."""

    root: Path

    @property
    def cache(self) -> Path:
        """What is expensive to make and safe to delete."""
        return self.root / ".cache"

    @property
    def training_python(self) -> Path:
        """The interpreter of the training runtime (made by ``make setup``)."""
        return self.root / ".runtimes" / "training" / "bin" / "python"

    @property
    def training_container(self) -> Path:
        """The training container's own code."""
        return self.root / "containers" / "training"

    @property
    def shared_code(self) -> Path:
        """The code that both containers share."""
        return self.root / "containers" / "shared"


def find_root() -> Path | None:
    """Return the checkout this package runs from, else the one around the working directory."""
    start = Path(__file__).resolve()
    for candidate in (*start.parents, Path.cwd(), *Path.cwd().parents):
        if all((candidate / marker).exists() for marker in _MARKERS):
            return candidate
    return None


def find_repository() -> Repository:
    """Return the checkout; raises UserError when there is none."""
    root = find_root()
    if root is None:
        raise UserError(
            "This command needs a checkout of the repository: run it inside one "
            "(or install the CLI from one with `make setup`)."
        )
    return Repository(root)


def local_cloud_home(chosen: Path | None = None) -> Path:
    """Return the local cloud's directory: ``--home``, $OCR_RETRAIN_HOME or in the checkout."""
    if chosen is not None:
        return chosen.resolve()
    if configured := os.environ.get("OCR_RETRAIN_HOME"):
        return Path(configured).resolve()
    return (find_root() or Path.cwd()) / ".local-cloud"
