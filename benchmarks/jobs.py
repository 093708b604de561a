"""Our training job, run as SageMaker runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.datasets import LabelledLine, characters, write_labels
from benchmarks.models import Base
from benchmarks.places import REPOSITORY, training_environment
from benchmarks.processes import Finished, ProgramError

_BATCH = 32
_STEP = re.compile(r"^epoch=(\d+)/(\d+) step=(\d+)/(\d+)", re.MULTILINE)
_GENERIC = re.compile(r"\bgeneric_lines=(\d+)")


@dataclass(frozen=True)
class JobResult:
    """What a job left: the model, and how it went.

    presented: pictures that went through training steps, None when the log does not tell.
    """

    model: Path
    finished: Finished
    presented: int | None
    generic_lines: int | None


def new_characters(base: Base, lines: Sequence[LabelledLine]) -> list[str]:
    """Return the characters of the lines that the base model cannot write."""
    known = set(base.characters())
    return [character for character in characters(lines) if character not in known]


def train(
    directory: Path,
    base: Base,
    images: Path,
    lines: Sequence[LabelledLine],
    hyperparameters: Mapping[str, object],
) -> JobResult:
    """Run a training job in an empty directory. Raises ProgramError with the job's own reason."""
    _lay_out(directory, base, images, lines, hyperparameters)
    finished = processes.run(
        [REPOSITORY.training_python, REPOSITORY.training_container / "bin" / "train"],
        directory / "log.txt",
        training_environment(SAGEMAKER_BASE_DIR=str(directory)),
    )
    failure = directory / "output" / "failure"
    if finished.code != 0 and failure.is_file():
        raise ProgramError(f"{failure.read_text(encoding='utf-8')} ({finished.log})")
    log = finished.check().log.read_text(encoding="utf-8", errors="replace")
    batch = int(str(hyperparameters.get("batch_size", _BATCH)))
    return JobResult(directory / "model", finished, presented(log, batch), generic_lines(log))


def _lay_out(
    directory: Path,
    base: Base,
    images: Path,
    lines: Sequence[LabelledLine],
    hyperparameters: Mapping[str, object],
) -> None:
    inputs = directory / "input"
    for folder in ("config", "data/champion", "data/labels"):
        (inputs / folder).mkdir(parents=True, exist_ok=True)
    strings = {"run_id": directory.name[:63], **hyperparameters}
    text = json.dumps({name: str(value) for name, value in strings.items()})
    (inputs / "config/hyperparameters.json").write_text(text, encoding="utf-8")
    (inputs / "data/champion/model.tar.gz").symlink_to(base.archive)
    (inputs / "data/training").symlink_to(images, target_is_directory=True)
    write_labels(inputs / "data/labels/train.txt", lines)
    added = new_characters(base, lines)
    if added:
        listed = "".join(f"{character}\n" for character in added)
        (inputs / "data/labels/new_characters.txt").write_text(listed, encoding="utf-8")


def presented(log: str, batch: int) -> int | None:
    """Return how many pictures a job's log says went through training steps."""
    last: dict[int, int] = {}
    for epoch, _, step, _ in _STEP.findall(log):
        last[int(epoch)] = int(step)
    return batch * sum(last.values()) if last else None


def generic_lines(log: str) -> int | None:
    """Return how many rendered lines a job's log says were mixed in."""
    found = _GENERIC.search(log)
    return int(found.group(1)) if found else None
