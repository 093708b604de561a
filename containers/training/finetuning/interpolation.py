"""Weights between champion and fine-tuned model: the cheapest guard against forgetting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    blend: Weights = {}
    for name, value in trained.items():
        old, new = champion[name].astype(np.float64), value.astype(np.float64)
        blend[name] = (old + share * (new - old)).astype(value.dtype)
    set_trained_weights(judge.network, blend)
