"""Training with ours and with PaddleOCR's, and reading test lines with what they made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import jobs, models
from benchmarks.code_state import trainer_version
from benchmarks.datasets import Data, LabelledLine
from benchmarks.models import Base
from benchmarks.places import new_workspace
from benchmarks.reading import Reader, Sets, exact_match, recall
from benchmarks.rivals import running
from benchmarks.rivals.running import RivalRun, Speed, Task
from benchmarks.rivals.settings import Rival
from benchmarks.training.runs import OURS, Point, Run, Scores

NEW = "new"


@dataclass(frozen=True)
class Problem:
    """One task: learn a domain from so many lines. `kept` is what must not be forgotten."""

    domain: str
    size: int
    seed: int
    lines: Sequence[LabelledLine]
    test: Sequence[LabelledLine]
    kept: Sets

    @classmethod
    def of(cls, data: Data, domain: str, size: int, seed: int, test: int, kept: Sets) -> Problem:
        """Make (or find) the lines of a task."""
        lines = data.train(domain, size, seed)
        return cls(domain, size, seed, lines, data.test(domain, test), kept)

    def key(self, contender: str, base: str) -> str:
        """Return what says everything that is asked of a run."""
        counts = "+".join(str(len(lines)) for lines in self.everything.values())
        return f"{contender} {base} {self.domain} {self.size} seed {self.seed} ({counts} test)"

    @property
    def everything(self) -> Sets:
        """All sets of test lines."""
        return {NEW: self.test, **self.kept}


@dataclass(frozen=True)
class Contest:
    """What all contenders share: the pictures, and the way their models are read."""

    data: Data
    reader: Reader

    @classmethod
    def below(cls, cache: Path) -> Contest:
        """Return the contest whose data a cache directory keeps."""
        data = Data.below(cache)
        return cls(data, Reader(data.directory, cache))

    def scores(self, model: Path, sets: Sets, base: Base) -> Scores:
        """Read test lines with a model that was trained from a base."""
        readings = self.reader.readings(model, sets)
        accuracies = {name: exact_match(lines, readings[name]) for name, lines in sets.items()}
        added = jobs.new_characters(base, sets[NEW])
        return Scores(**accuracies, recall=recall(sets[NEW], readings[NEW], added))

    def train_ours(
        self, base: Base, problem: Problem, name: str, hyperparameters: Mapping[str, object]
    ) -> Run:
        """Run our training job. There is a model at its end, not before."""
        before = self.scores(base.directory, problem.everything, base)
        with _workspace() as workspace:
            directory = workspace / "job"
            given = {"seed": problem.seed, **hyperparameters}
            result = jobs.train(directory, base, self.data.directory, problem.lines, given)
            after = self.scores(result.model, problem.everything, base)
        seconds = result.finished.seconds
        speed = result.presented / seconds if result.presented else None
        return Run(
            contender=name,
            base=base.name,
            domain=problem.domain,
            size=problem.size,
            seed=problem.seed,
            seconds=seconds,
            limit=None,
            peak_bytes=result.finished.peak_bytes,
            images_per_second=speed,
            generic_lines=result.generic_lines or 0,
            before=before,
            points=(Point(seconds=seconds, scores=after),),
            made_by=trainer_version(),
        )

    def speed_of(self, rival: Rival, base: Base, problem: Problem) -> Speed:
        """See how fast PaddleOCR trains here with these settings."""
        with _workspace() as workspace:
            return running.measure_speed(rival, self._task(base, problem, 0), workspace)

    def train_rival(
        self,
        rival: Rival,
        base: Base,
        problem: Problem,
        generic_lines: int,
        speed: Speed,
        budget: float,
    ) -> Run:
        """Run PaddleOCR's training for `budget` seconds, then read with what it saved."""
        before = self.scores(base.directory, problem.everything, base)
        task = self._task(base, problem, generic_lines)
        with _workspace() as workspace:
            run = running.train(rival, task, speed, budget, workspace / "run")
            points = self._read_checkpoints(run, problem, base, workspace)
        return Run(
            contender=rival.name,
            base=base.name,
            domain=problem.domain,
            size=problem.size,
            seed=problem.seed,
            seconds=run.finished.seconds,
            limit=budget,
            peak_bytes=run.finished.peak_bytes,
            images_per_second=run.presented / run.finished.seconds,
            generic_lines=problem.size if rival.equal_general else generic_lines,
            before=before,
            points=points,
        )

    def _task(self, base: Base, problem: Problem, general_lines: int) -> Task:
        return Task(
            base=base,
            images=self.data.directory,
            lines=problem.lines,
            general_lines=general_lines,
            new_characters=jobs.new_characters(base, problem.lines),
            seed=problem.seed,
        )

    def _read_checkpoints(
        self, run: RivalRun, problem: Problem, base: Base, workspace: Path
    ) -> tuple[Point, ...]:
        found: list[tuple[float, Scores, Path]] = []
        for number, saved in enumerate(run.checkpoints):
            given = running.as_base_model(run, saved, workspace / f"checkpoint-{number}")
            model = models.complete(given, workspace / f"model-{number}")
            found.append((saved.seconds, self.scores(model, {NEW: problem.test}, base), model))
        if not found:
            return ()
        # What a model has kept takes long to read; it is asked of the best and of the last.
        best = max(found, key=lambda point: point[1].new)
        points = []
        for seconds, scores, model in found:
            if model in (best[2], found[-1][2]):
                scores = self.scores(model, problem.everything, base)
            points.append(Point(seconds=seconds, scores=scores))
        return tuple(points)


@contextmanager
def _workspace() -> Iterator[Path]:
    """Give a directory to work in; it is kept when something fails, for its logs."""
    directory = new_workspace()
    yield directory
    shutil.rmtree(directory)


def ours_name(hyperparameters: Mapping[str, object]) -> str:
    """Return how our training with these hyperparameters is called in results."""
    return " ".join([OURS, *(f"{name}={value}" for name, value in hyperparameters.items())])
