"""Model artefacts: the base, and checkpoints of PaddleOCR made complete."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.places import CACHE, REPOSITORY, training_environment
from ocr_retrain.base_model import make_base_model

PACKAGED = "pp-ocrv4-mobile"


@dataclass(frozen=True)
class Base:
    """A base model: its name, the archive, and the directory it is unpacked in."""

    name: str
    archive: Path
    directory: Path

    def characters(self) -> list[str]:
        """Return the characters that it can write, in the order of its outputs."""
        text = (self.directory / "dict.txt").read_text(encoding="utf-8")
        return text.removesuffix("\n").split("\n")


def base_model(name: str) -> Base:
    """Return a base model of the product, packaged anew when the trainer's code has changed."""
    packaged = make_base_model(REPOSITORY, name)
    directory = CACHE / "bases" / f"{name}-{packaged.sha256[:12]}"
    if not (directory / "manifest.json").is_file():
        unpack(packaged.path, directory)
    return Base(name, packaged.path, directory)


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack an artefact of ours; the manifest comes last, so that it means all is there."""
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        members = sorted(tar.getmembers(), key=lambda member: member.name == "manifest.json")
        tar.extractall(directory, members, filter="data")
    return directory


def complete(checkpoint: Path, directory: Path) -> Path:
    """Make an artefact of a directory with PaddleOCR's *.pdparams, config.yml and dict.txt."""
    archive = directory.with_name(f"{directory.name}.tar.gz")
    program = REPOSITORY.training_container / "bin" / "package-model"
    processes.run(
        [REPOSITORY.training_python, program, "--source", checkpoint, "--output", archive],
        directory.with_name(f"{directory.name}.log"),
        training_environment(),
    ).check()
    unpack(archive, directory)
    archive.unlink()
    return directory
