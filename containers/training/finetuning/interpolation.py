"""Weights between champion and fine-tuned model: the cheapest guard against forgetting."""

from __future__ import annotations

from dataclasses import dataclass

from finetuning.scoring import Judge, Score
from finetuning.trainer import set_trained_weights
from finetuning.weights import Weights

SHARES = (1.0, 0.85, 0.7, 0.5)


@dataclass(frozen=True)
class Blend:
    """The share of the fine-tuned weights that was chosen, and how the blend scores."""

    share: float
    score: Score


def choose_blend(champion: Weights, trained: Weights, judge: Judge, before: Score) -> Blend:
    """Leave the best blend in the network; of equals, the one nearest to the champion.

    Chosen on held-back lines only, never on what the candidate is evaluated on.
    """
    best: Blend | None = None
    for share in SHARES:
        _set_blend(champion, trained, share, judge)
        blend = Blend(share, judge.score())
        if best is None or blend.score.utility(before) >= best.score.utility(before):
            best = blend
    assert best is not None  # noqa: S101  (SHARES is not empty)
    _set_blend(champion, trained, best.share, judge)
    return best


def _set_blend(champion: Weights, trained: Weights, share: float, judge: Judge) -> None:
    blend = {
        name: (champion[name] + share * (value - champion[name])).astype(value.dtype)
        for name, value in trained.items()
    }
    set_trained_weights(judge.part, judge.network, blend)
