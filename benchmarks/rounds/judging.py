"""What every round leaves, and which slices fell: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from benchmarks import tables

START = "base model"
_LARGEST_FALL = 0.01
_ROUNDING = 1e-9


class Round(BaseModel):
    """The approved model after a round: its exact match, 0..1, per slice.

    dataset: what was dropped, empty for the base model. version: the approved version, which is an
    earlier round's when the candidate was rejected.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    outcome: str
    version: int
    seconds: float
    scores: Mapping[str, float]


def table(rounds: Sequence[Round]) -> str:
    """Return the table: a row per round, a column per slice."""
    slices = list(rounds[0].scores)
    rows = [
        [
            str(number),
            done.dataset or START,
            done.outcome,
            str(done.version),
            f"{done.seconds:.0f}",
            *(tables.percent([done.scores[name]]) for name in slices),
        ]
        for number, done in enumerate(rounds)
    ]
    return tables.markdown(("round", "dropped", "outcome", "version", "s", *slices), rows)


def falls(rounds: Sequence[Round]) -> list[str]:
    """Return a sentence for every slice that fell more than one point below its best.

    A dataset counts from the round that brought it; what no round brings counts from the start.
    """
    brought = {done.dataset: number for number, done in enumerate(rounds)}
    sentences = []
    for name in rounds[0].scores:
        best = 0.0
        for number, done in enumerate(rounds):
            if number < brought.get(name, 0):
                continue
            score = done.scores[name]
            if best - score > _LARGEST_FALL + _ROUNDING:
                sentences.append(
                    f"{name} fell from {best:.1%} to {score:.1%} in round {number} "
                    f"({done.dataset})."
                )
            best = max(best, score)
    return sentences
