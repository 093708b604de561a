"""Decides what a run trains on and what it is measured on. Pure and deterministic."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from retraining.lines import Line, rank

DEV_PERCENT = 10
MOST_DEV_LINES = 200
DEFAULT_REPLAY_RATIO = 0.7
_SPACE = 16**8


class PlanningError(Exception):
    """The run cannot be planned with what was asked for."""


@dataclass(frozen=True)
class DatasetLines:
    """The usable lines of one dataset."""

    name: str
    train: tuple[Line, ...]
    holdout: tuple[Line, ...]


@dataclass(frozen=True)
class GoldenSet:
    """A labelled set that must never get worse; ``dropped`` lines name images that are gone."""

    name: str
    lines: tuple[Line, ...]
    dropped: int = 0


@dataclass(frozen=True)
class EvaluationSlice:
    """One evaluation set: ``kind`` is new, old or golden."""

    name: str
    kind: str
    lines: tuple[Line, ...]

    @property
    def file(self) -> str:
        """Name of its label file."""
        return f"{self.kind}--{self.name}.txt"


@dataclass(frozen=True)
class Plan:
    """What is trained on (``train``, ``replay``), selected by (``dev``) and judged by."""

    train: tuple[Line, ...]
    dev: tuple[Line, ...]
    replay: tuple[Line, ...]
    slices: tuple[EvaluationSlice, ...]

    def training_keys(self) -> tuple[str, ...]:
        """Tell the images training reads, each once."""
        return _keys((*self.train, *self.dev, *self.replay))

    def evaluation_keys(self) -> tuple[str, ...]:
        """Tell the images the evaluation reads, each once."""
        return _keys(line for each in self.slices for line in each.lines)


def make_plan(
    new: Sequence[DatasetLines],
    earlier: Sequence[DatasetLines],
    golden: Sequence[GoldenSet],
    *,
    replay_ratio: float,
    salt: str,
) -> Plan:
    """Plan a run.

    ``replay_ratio`` is the share of new lines in the mix: 0.7 adds three earlier lines to seven
    new ones. ``salt`` (the run id) varies the replay sample from run to run.
    """
    lines = [line for dataset in new for line in dataset.train]
    train, dev = split_dev(lines)
    slices = (
        *(EvaluationSlice(each.name, "new", each.holdout) for each in new),
        *(EvaluationSlice(each.name, "old", each.holdout) for each in earlier),
        *(EvaluationSlice(each.name, "golden", each.lines) for each in golden),
    )
    wanted = round(len(train) * (1 - replay_ratio) / replay_ratio)
    return Plan(
        train=train,
        dev=dev,
        replay=choose_replay(earlier, wanted, salt),
        slices=tuple(each for each in slices if each.lines),
    )


def split_dev(lines: Sequence[Line]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Set a part of the train lines aside for early stopping: the same ones every time."""
    by_rank = sorted({line.key for line in lines}, key=rank)
    chosen = [key for key in by_rank if int(rank(key)[:8], 16) < _SPACE * DEV_PERCENT // 100]
    aside = frozenset(chosen[:MOST_DEV_LINES])
    train = tuple(line for line in lines if line.key not in aside)
    dev = tuple(line for line in lines if line.key in aside)
    return (train, dev) if train else (tuple(lines), ())


def choose_replay(earlier: Sequence[DatasetLines], wanted: int, salt: str) -> tuple[Line, ...]:
    """Sample earlier train lines, as evenly from every earlier dataset as their sizes allow."""
    available = {each.name: len(each.train) for each in earlier if each.train}
    shares = share_evenly(available, wanted)
    return tuple(
        line
        for each in earlier
        for line in sorted(each.train, key=lambda line: rank(line.key, salt))[
            : shares.get(each.name, 0)
        ]
    )


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


def manifest(bucket: str, keys: Iterable[str]) -> str:
    """Write a SageMaker manifest file: a prefix, then every key once."""
    unique = dict.fromkeys(keys)
    return json.dumps([{"prefix": f"s3://{bucket}/"}, *unique], ensure_ascii=False)


def slices_index(slices: Sequence[EvaluationSlice]) -> dict[str, list[dict[str, str | int]]]:
    """Write the list of evaluation sets that the evaluation job reads."""
    return {
        "slices": [
            {
                "name": each.name,
                "kind": each.kind,
                "file": each.file,
                "lines": len(each.lines),
            }
            for each in slices
        ]
    }


def only_existing(lines: Iterable[Line], existing: Collection[str]) -> tuple[Line, ...]:
    """Drop lines whose image is gone: one missing key fails a whole SageMaker job."""
    return tuple(line for line in lines if line.key in existing)


def _keys(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.key for line in lines))
