"""Weights between champion and fine-tuned model: the cheapest guard against forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetuning.progress import announce
from finetuning.scoring import Judge, Score
from finetuning.weights import Weights

# Never all of it: held-back lines show only part of what may be forgotten. The last fifth was worth
# half a point on handwriting and cost three on rare Chinese characters that no training line had.
SHARES = (0.8, 0.65, 0.5, 0.35)
ALL_OF_IT = (1.0,)


@dataclass(frozen=True)
class Blend:
    """The share of the fine-tuned weights that was chosen, and how the blend scores."""

    share: float
    score: Score


def choose_blend(
    champion: Weights,
    trained: Weights,
    judge: Judge,
    before: Score,
    shares: Sequence[float] = SHARES,
) -> Blend:
    """Leave in the network the largest share of the fine-tuned weights that forgets nothing.

    When every share forgets, it is the most useful one. Chosen on held-back lines only, never on
    what the candidate is evaluated on.
    """
    blends: list[Blend] = []
    for share in shares:
        _set_blend(champion, trained, share, judge)
        blends.append(Blend(share, judge.score()))
        found = blends[-1].score
        announce(f"share={share} dev={found.dev:.4f} guard={found.guard:.4f}")
        if blends[-1].score.forgotten(before) == 0.0:
            return blends[-1]
    best = max(blends, key=lambda blend: blend.score.utility(before))
    _set_blend(champion, trained, best.share, judge)
    return best


def _set_blend(champion: Weights, trained: Weights, share: float, judge: Judge) -> None:
    blend: Weights = {}
    for name, value in trained.items():
        old, new = champion[name].astype(np.float64), value.astype(np.float64)
        blend[name] = (old + share * (new - old)).astype(value.dtype)
    judge.part.set_weights(blend)
