"""Decides what a run trains on and what it is measured on. Pure and deterministic."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from retraining.lines import Line, rank

DEV_PERCENT = 10
MOST_DEV_IMAGES = 200
DEFAULT_REPLAY_RATIO = 0.7
_SPACE = 16**8
_TENFOLD = 10


class PlanningError(Exception):
    """The run cannot be planned with what was asked for."""


@dataclass(frozen=True)
class GoldenSet:
    """A labelled set that must never get worse; ``dropped`` lines cannot be asked for."""

    name: str
    lines: tuple[Line, ...]
    dropped: int = 0


@dataclass(frozen=True)
class EvaluationSlice:
    """One evaluation set and its number of lines: ``kind`` is new, old or golden.

    ``available`` is how many there were before some of them were chosen.
    """

    name: str
    kind: str
    lines: int
    available: int

    @property
    def file(self) -> str:
        """Name of its label file."""
        return f"{self.kind}--{self.name}.txt"

    def as_json(self) -> dict[str, str | int]:
        """Give its part of the list that the evaluation job reads."""
        return {
            "name": self.name,
            "kind": self.kind,
            "file": self.file,
            "lines": self.lines,
            "available": self.available,
        }


def most_slice_lines(kind: str, most_old: int) -> int:
    """Tell how many lines of an evaluation set are read.

    New lines decide on the gain, and golden ones are what must never get worse: they are sampled
    only where the next line tells nothing more.
    """
    return most_old if kind == "old" else _TENFOLD * most_old


def choose_dev(images: Iterable[str]) -> frozenset[str]:
    """Choose the images whose train lines are set aside for early stopping: the same every time."""
    limit = f"{_SPACE * DEV_PERCENT // 100:08x}"
    chosen = {(order, each) for each in images if (order := rank(each)) < limit}
    return frozenset(each for _, each in sorted(chosen)[:MOST_DEV_IMAGES])


def replay_lines(new_lines: int, replay_ratio: float) -> int:
    """Tell how many earlier lines go with so many new ones.

    ``replay_ratio`` is the share of new lines in the mix: 0.7 adds three earlier lines to seven
    new ones.
    """
    return round(new_lines * (1 - replay_ratio) / replay_ratio)


def share_evenly(available: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Divide a number among names, none getting more than it has."""
    shares: dict[str, int] = {}
    left = wanted
    # Smallest first: what a small one cannot give is spread over the larger ones.
    ordered = sorted(available.items(), key=lambda each: (each[1], each[0]))
    for position, (name, most) in enumerate(ordered):
        fair = -(-left // (len(ordered) - position))
        shares[name] = min(most, fair)
        left -= shares[name]
    return shares


def replay_ratio(hyperparameters: Mapping[str, str]) -> float:
    """Read the share of new lines in the training mix.

    Raises PlanningError when it is no number above 0 and at most 1.
    """
    given = hyperparameters.get("replay_ratio", str(DEFAULT_REPLAY_RATIO))
    try:
        ratio = float(given)
    except ValueError:
        ratio = 0.0
    if not 0 < ratio <= 1:
        raise PlanningError(
            f"The hyperparameter replay_ratio is {given!r}; give a number above 0 and at most 1."
        )
    return ratio


def manifest_rows(bucket: str, keys: Iterable[str]) -> Iterator[str]:
    """Write a SageMaker manifest file: a prefix, then the keys; they must be there, each once."""
    yield json.dumps([{"prefix": f"s3://{bucket}/"}], ensure_ascii=False)[:-1]
    for key in keys:
        yield f",\n{json.dumps(key, ensure_ascii=False)}"
    yield "]\n"


def only_existing(lines: Iterable[Line], existing: Collection[str]) -> tuple[Line, ...]:
    """Drop lines whose image is gone: one missing key fails a whole SageMaker job."""
    return tuple(line for line in lines if line.key in existing)
