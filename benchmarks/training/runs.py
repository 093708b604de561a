"""What the comparison records of every run, and what it computes from that."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

OURS = "ours"
NEARLY = 0.9


class Scores(BaseModel):
    """Exact match, 0..1, on lines of the domain and on what must not be forgotten.

    recall: the share of the characters that the base lacks that was read in lines of the domain;
    None when there are none.
    """

    model_config = ConfigDict(frozen=True)

    new: float
    general: float | None = None
    chinese: float | None = None
    recall: float | None = None


class Point(BaseModel):
    """A model that existed so many seconds after the start."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    scores: Scores


class Run(BaseModel):
    """One training of one contender.

    limit: the seconds it was given, None without a limit. points: the models it made, in time;
    what was read with them is not in the seconds.
    """

    model_config = ConfigDict(frozen=True)

    contender: str
    base: str
    domain: str
    size: int
    seed: int
    seconds: float
    limit: float | None
    peak_bytes: int
    images_per_second: float | None
    generic_lines: int
    before: Scores
    points: tuple[Point, ...]
    made_by: str = ""

    @property
    def best(self) -> Scores:
        """The scores of the model that reads most of the domain; the start's without a model.

        Where several read the same, it is the one that kept most.
        """
        if not self.points:
            return self.before
        return max(
            (point.scores for point in self.points),
            key=lambda scores: (scores.new, scores.general or 0.0),
        )

    def seconds_to(self, accuracy: float) -> float | None:
        """Return when a model first read that share of the domain, None when none did."""
        return next((point.seconds for point in self.points if point.scores.new >= accuracy), None)


def seconds_to_nearly_best(run: Run, runs: Sequence[Run]) -> float | None:
    """Return when a run reached 90 % of the best accuracy of all runs on the same task."""
    best = max(other.best.new for other in runs if same_task(run, other))
    return run.seconds_to(NEARLY * best)


def same_task(run: Run, other: Run) -> bool:
    """Whether two runs had the same lines."""
    return (run.domain, run.size, run.seed) == (other.domain, other.size, other.seed)
