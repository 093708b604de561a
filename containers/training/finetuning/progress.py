"""Progress lines on standard output: the console shows them, metric definitions match them."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """One epoch as the manifest keeps it: means over its steps, shares 0..1 after it.

    Epoch 0 is the champion before any training, without steps. `guard_exact_match` is None without
    held-back old lines.
    """

    epoch: int
    loss: float | None
    learning_rate: float | None
    dev_exact_match: float
    guard_exact_match: float | None
    images_per_second: float | None
    seconds: float | None


def announce(text: str) -> None:
    """Print one line of explanation."""
    print(text, flush=True)


def announce_as(rank: int, text: str) -> None:
    """Print a line that matters whichever process prints it; only the first one's are metrics."""
    print(text, file=sys.stderr if rank > 0 else None, flush=True)


def step_line(
    epoch: tuple[int, int], step: tuple[int, int], loss: float, rate: float, speed: float
) -> str:
    """Return the line of a step; pairs are (current, total), speed is in images per second."""
    return (
        f"epoch={epoch[0]}/{epoch[1]} step={step[0]}/{step[1]} loss={loss:.4f} "
        f"learning_rate={rate:.3g} images_per_second={speed:.1f}"
    )


def encoding_line(done: int, total: int) -> str:
    """Return the line that tells how many pictures are encoded."""
    return f"encoded={done}/{total}"


def epoch_line(epoch: tuple[int, int], exact_match: float, lines: int) -> str:
    """Return the line that ends an epoch; epoch 0 is the champion before any training."""
    return f"epoch={epoch[0]}/{epoch[1]} dev_exact_match={exact_match:.4f} dev_lines={lines}"


def guard_line(epoch: tuple[int, int], exact_match: float, lines: int) -> str:
    """Return the line that tells how well old lines are still read after an epoch."""
    return f"epoch={epoch[0]}/{epoch[1]} guard_exact_match={exact_match:.4f} guard_lines={lines}"
