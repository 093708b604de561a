"""A progress bar for things that are counted; outside a terminal, a line now and then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ocr_retrain.phrases import count
from ocr_retrain.terminal import INDENT, is_interactive, progress, tell

_PLAIN_PARTS = 4
_MANY = 100


@dataclass(frozen=True)
class Wording:
    """How the counting is told: ``Uploading``, ``file``, ``in place``."""

    doing: str
    unit: str
    done: str


class Counting:
    """Shows how many of ``total`` are done."""

    def __init__(self, bar: Progress | None, total: int, wording: Wording, indent: int) -> None:
        """Show on ``bar``, or as plain lines when there is none."""
        self._bar = bar
        self._margin = " " * indent
        self._wording = wording
        self._done = 0
        self._total = total
        self._task = bar.add_task(wording.doing, total=total) if bar else None

    def advance(self) -> None:
        """Take note of one more."""
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """Take note that ``done`` are done, no fewer than before."""
        before, self._done = self._done, max(done, self._done)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)
        elif self._part(self._done) != self._part(before):
            told = f"{self._done:,} of {count(self._total, self._wording.unit)}"
            tell(f"{self._margin}{told} {self._wording.done}")

    def _part(self, done: int) -> int:
        parts = _PLAIN_PARTS if self._total >= _MANY else 1
        return done * parts // self._total


@contextmanager
def counting(total: int, wording: Wording, indent: int = INDENT) -> Iterator[Counting]:
    """Show on stderr how many of ``total`` (at least one) are done."""
    if not is_interactive():
        yield Counting(None, total, wording, indent)
        return
    columns = (
        TextColumn(" " * indent + "{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn(f"{wording.unit}s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress()) as bar:
        yield Counting(bar, total, wording, indent)
