"""What chance explains: exact tests and intervals for counts of lines. Pure.

Both models read the same lines, so what tells them apart are the lines that only one of them reads:
``lost`` are those that only the champion reads, ``won`` those that only the candidate reads.
"""

from collections.abc import Callable
from math import sqrt
from statistics import NormalDist

Interval = tuple[float, float]

# What a two-sided 95 % interval leaves out on one side.
_INTERVAL_TAIL = 0.025
# 2^-50 is finer than any share of lines.
_HALVINGS = 50


def mcnemar(lost: int, won: int) -> float:
    """Tell how likely chance alone makes two equally good models differ at least this much.

    The exact two-sided McNemar test: on the lines only one of the two reads, it is as if a coin
    decided which one.
    """
    return min(1.0, 2 * _tail(lost + won, min(lost, won)))


def loss_by_chance(lost: int, won: int) -> float:
    """Tell how likely chance alone makes an equally good model lose at least this much.

    The one-sided form of the same test.
    """
    return _tail(lost + won, won)


def wilson(right: int, lines: int) -> Interval:
    """Bound a share of lines: Wilson's 95 % interval. Without lines nothing is known."""
    if not lines:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(1 - _INTERVAL_TAIL)
    share = right / lines
    middle = share + z * z / (2 * lines)
    reach = z * sqrt(share * (1 - share) / lines + z * z / (4 * lines * lines))
    scale = 1 + z * z / lines
    # Rounding must not leave the share itself outside where every line is right, or none.
    low, high = (middle - reach) / scale, (middle + reach) / scale
    return max(0.0, min(share, low)), min(1.0, max(share, high))


def difference_interval(lost: int, won: int, lines: int) -> Interval:
    """Bound candidate minus champion (-1..1): Tango's 95 % score interval for paired shares."""
    if not lines:
        return -1.0, 1.0
    return (
        _least_difference(lost, won, lines, _INTERVAL_TAIL),
        -_least_difference(won, lost, lines, _INTERVAL_TAIL),
    )


def drop_bound(lost: int, won: int, lines: int, tail: float) -> float:
    """Tell how large the drop may be in truth: one-sided, wrong in a share ``tail`` of cases."""
    return -_least_difference(lost, won, lines, tail) if lines else 1.0


def _tail(tosses: int, most: int) -> float:
    """Tell how likely a coin falls on its rarer side at most so often."""
    # comb(n, k + 1) from comb(n, k): thousands of lines would take seconds one by one.
    ways = total = 1
    for each in range(most):
        ways = ways * (tosses - each) // (each + 1)
        total += ways
    return total / (1 << tosses)


def _least_difference(lost: int, won: int, lines: int, tail: float) -> float:
    z = NormalDist().inv_cdf(1 - tail)
    seen = (won - lost) / lines
    return _first(lambda difference: _score(lost, won, lines, difference) <= z, -1.0, seen)


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Find where something begins to hold that holds at ``high``."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _score(lost: int, won: int, lines: int, difference: float) -> float:
    """Tell how many standard errors what was seen lies above a supposed difference.

    Tango (1998), Statistics in Medicine 17, 891-908: the standard error is that of the likeliest
    shares which differ by just so much.
    """
    linear = (2 * lines - won + lost) * difference - lost - won
    constant = -lost * difference * (1 - difference)
    rare = (sqrt(max(0.0, linear**2 - 8 * lines * constant)) - linear) / (4 * lines)
    variance = lines * (2 * rare + difference * (1 - difference))
    surplus = won - lost - lines * difference
    if variance <= 0:
        return 0.0 if surplus <= 0 else float("inf")
    return surplus / sqrt(variance)
