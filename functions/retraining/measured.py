"""What the evaluation measured: both models on the same lines, set by set. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Slice:
    """One evaluation set, both models on the same lines.

    Without a champion what the candidate reads counts as read by it alone. Milliseconds are per
    line, 0 when they are not known.
    """

    name: str
    kind: str
    both_right: int
    only_champion_right: int
    only_candidate_right: int
    both_wrong: int
    has_champion: bool = True
    champion_milliseconds: float = 0.0
    candidate_milliseconds: float = 0.0

    @property
    def lines(self) -> int:
        """Lines that were read."""
        return (
            self.both_right + self.only_champion_right + self.only_candidate_right + self.both_wrong
        )

    @property
    def champion_right(self) -> int:
        """Lines that the champion reads exactly."""
        return self.both_right + self.only_champion_right

    @property
    def candidate_right(self) -> int:
        """Lines that the candidate reads exactly."""
        return self.both_right + self.only_candidate_right

    @property
    def champion(self) -> float | None:
        """The share of lines the champion reads exactly; None without one."""
        return _share(self.champion_right, self.lines) if self.has_champion else None

    @property
    def candidate(self) -> float:
        """The share of lines the candidate reads exactly."""
        return _share(self.candidate_right, self.lines)

    @property
    def gain(self) -> float:
        """Candidate minus champion."""
        return _share(self.only_candidate_right - self.only_champion_right, self.lines)

    @property
    def drop(self) -> float:
        """Champion minus candidate."""
        return -self.gain


@dataclass(frozen=True)
class Latency:
    """Milliseconds that reading a line took, over all sets."""

    lines: int
    champion: float
    candidate: float

    @property
    def factor(self) -> float:
        """How many times as long as the champion the candidate takes."""
        return self.candidate / self.champion


@dataclass(frozen=True)
class Evaluation:
    """All sets; ``champion_error`` says why there is no champion to compare with, if so."""

    slices: tuple[Slice, ...]
    champion_error: str = ""

    @property
    def latency(self) -> Latency | None:
        """How long both models took for the lines whose time is known; None without any."""
        timed = [
            each
            for each in self.slices
            if each.has_champion and each.champion_milliseconds and each.candidate_milliseconds
        ]
        lines = sum(each.lines for each in timed)
        if not lines:
            return None
        return Latency(
            lines,
            sum(each.lines * each.champion_milliseconds for each in timed) / lines,
            sum(each.lines * each.candidate_milliseconds for each in timed) / lines,
        )


def pool(slices: Sequence[Slice], kind: str) -> Slice:
    """Count several sets as one; nothing but a champion for all of them is one."""
    if len(slices) == 1:
        return slices[0]
    return Slice(
        name=", ".join(each.name for each in slices),
        kind=kind,
        both_right=sum(each.both_right for each in slices),
        only_champion_right=sum(each.only_champion_right for each in slices),
        only_candidate_right=sum(each.only_candidate_right for each in slices),
        both_wrong=sum(each.both_wrong for each in slices),
        has_champion=all(each.has_champion for each in slices),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
