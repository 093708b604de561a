"""Blending: as much of the new weights as old lines bear, and never all of them."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import paddle
import pytest

from finetuning.interpolation import ALL_OF_IT, SHARES, choose_blend
from finetuning.scoring import Judge, Score

BEFORE = Score(dev=0.5, guard=0.9)
CHAMPION = {"weight": np.zeros((1, 1), dtype=np.float32)}
TRAINED = {"weight": np.ones((1, 1), dtype=np.float32)}


@dataclass
class ScoreByShare:
    """Scores a one-weight network, whose weight is the share, by a table."""

    table: dict[float, Score]
    network: Any = field(default_factory=lambda: paddle.nn.Linear(1, 1, bias_attr=False))

    @property
    def part(self) -> Any:
        return SimpleNamespace(set_weights=lambda all: self.network.weight.set_value(all["weight"]))

    @property
    def weight(self) -> float:
        return round(float(self.network.weight.item()), 3)

    def score(self) -> Score:
        return self.table[self.weight]


def chosen(table: dict[float, Score]) -> tuple[float, float]:
    judge = ScoreByShare(table)
    blend = choose_blend(CHAMPION, TRAINED, cast(Judge, judge), BEFORE)
    assert blend.score == table[blend.share]
    return blend.share, judge.weight


def test_the_largest_share_is_taken_when_nothing_is_forgotten() -> None:
    assert chosen({0.8: Score(0.8, 0.895)}) == (0.8, 0.8)


def test_the_share_shrinks_until_nothing_is_forgotten() -> None:
    table = {0.8: Score(0.9, 0.6), 0.65: Score(0.85, 0.8), 0.5: Score(0.8, 0.9)}

    assert chosen(table) == (0.5, 0.5)


def test_when_every_share_forgets_the_most_useful_one_is_taken() -> None:
    table = {share: Score(0.9 - share / 4, 0.9 - share / 2) for share in SHARES}
    table[0.65] = Score(0.95, 0.8)

    assert chosen(table) == (0.65, 0.65)


def test_some_of_the_champion_always_stays() -> None:
    assert max(SHARES) < 1.0


@pytest.mark.parametrize(("guard", "lost"), [(0.95, 0.0), (0.89, 0.0), (0.8, 0.09)])
def test_forgetting_is_what_noise_does_not_explain(guard: float, lost: float) -> None:
    assert Score(0.5, guard).forgotten(BEFORE) == pytest.approx(lost, abs=1e-9)


def test_without_blending_everything_learned_is_kept() -> None:
    judge = ScoreByShare({1.0: Score(0.9, 0.1)})

    blend = choose_blend(CHAMPION, TRAINED, cast(Judge, judge), BEFORE, ALL_OF_IT)

    assert (blend.share, judge.weight) == (1.0, 1.0)
