"""The learning rate over a training: an optional rise, then half a cosine down to nothing."""

from __future__ import annotations

import math

import paddle


def learning_rate_schedule(
    peak: float, steps: int, warmup: float
) -> paddle.optimizer.lr.LambdaDecay:
    """Return Paddle's scheduler for so many steps, the first share of which rises.

    Loshchilov, Hutter: SGDR, ICLR 2017, without restarts.
    """
    rising = round(steps * warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return paddle.optimizer.lr.LambdaDecay(peak, factor)
