"""Showing an execution while it runs: redrawn on a terminal, one line per event elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ocr_retrain.follow import Snapshot
from ocr_retrain.history import VisitStatus
from ocr_retrain.phrases import duration
from ocr_retrain.run_rows import Row, rows_of
from ocr_retrain.terminal import is_interactive, progress

_GLYPHS = {
    VisitStatus.RUNNING: ("●", "cyan"),
    VisitStatus.RETRYING: ("↻", "yellow"),
    VisitStatus.DONE: ("✓", "green"),
    VisitStatus.FAILED: ("✗", "red"),
}
_INDENT = "    "
_STATE_WIDTH = 39
_DURATION_WIDTH = 11
_BAR_WIDTH = 16
_QUIET_SECONDS = 15.0
_LINES_KEPT_FREE = 4
_NOTICEABLE_SECONDS = 0.05


class RunView(Protocol):
    """Something that shows snapshots of one execution, used as a context manager."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state of things on the screen."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """Show ``snapshot``."""
        ...


def view_for_terminal(indent: int) -> RunView:
    """Return the view that fits where stderr goes, ``indent`` columns from the left."""
    kind = LiveView if is_interactive() else PlainView
    return kind(progress(), indent)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PlainView:
    """One line per event, without control characters: for logs and pipes."""

    def __init__(
        self, console: Console, indent: int = 2, now: Callable[[], datetime] = _utc_now
    ) -> None:
        """Print to ``console``; ``now`` is the clock that running states are measured with."""
        self._console = console
        self._indent = " " * indent
        self._now = now
        self._begun: set[tuple[str, ...]] = set()
        self._ended: set[tuple[str, ...]] = set()
        self._last_line_at: datetime | None = None
        self._last_detail = ""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Everything is printed already."""

    def update(self, snapshot: Snapshot) -> None:
        """Print what is new since the last snapshot."""
        now = self._now()
        rows = rows_of(snapshot, now)
        pending: list[Row] = []
        for row, following in zip_longest(rows, rows[1:]):
            self._print_ends_before(row, pending)
            nests = following is not None and following.depth > row.depth
            if nests or (row.has_work and not row.is_over):
                self._begin(row)
            if nests:
                pending.append(row)
            elif row.is_over:
                self._end(row)
        self._print_ends_before(None, pending)
        self._remind(rows, now)

    def _print_ends_before(self, row: Row | None, pending: list[Row]) -> None:
        # A state that nests others ends below them, so that the lines read in order of time.
        while pending and (row is None or row.depth <= pending[-1].depth):
            parent = pending.pop()
            if parent.is_over:
                self._end(parent)

    def _begin(self, row: Row) -> None:
        if row.path not in self._begun:
            self._begun.add(row.path)
            self._print(f"{_INDENT * row.depth}▸ {row.state}")

    def _end(self, row: Row) -> None:
        if row.path not in self._ended:
            self._ended.add(row.path)
            self._print(_INDENT * row.depth + _sentence(row))

    def _remind(self, rows: Sequence[Row], now: datetime) -> None:
        if self._last_line_at is None:
            self._last_line_at = now
        if (now - self._last_line_at).total_seconds() < _QUIET_SECONDS:
            return
        running = [row for row in rows if not row.is_over]
        if running:
            row = running[-1]
            self._print(_INDENT * row.depth + _sentence(row))

    def _print(self, line: str) -> None:
        self._console.print(f"{self._indent}{line}", soft_wrap=True)
        self._last_line_at = self._now()


def _sentence(row: Row) -> str:
    glyph, _ = _GLYPHS[row.status]
    parts = [f"{glyph} {row.state}"]
    if row.seconds >= _NOTICEABLE_SECONDS:
        parts.append(duration(row.seconds))
    if row.fraction is not None:
        parts.append(f"{row.fraction * 100:.0f} %")
    if row.detail:
        parts.append(row.detail)
    return "  ".join(parts)


class LiveView:
    """The whole run, redrawn in place."""

    def __init__(
        self, console: Console, indent: int = 2, now: Callable[[], datetime] = _utc_now
    ) -> None:
        """Draw on ``console``; ``now`` is the clock that running states are measured with."""
        self._console = console
        self._indent = indent
        self._now = now
        self._snapshot: Snapshot | None = None
        self._scrolled_away: set[tuple[str, ...]] = set()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=8, transient=False
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Draw a last time and leave it on the screen."""
        self._live.stop()

    def update(self, snapshot: Snapshot) -> None:
        """Draw ``snapshot`` from now on."""
        self._snapshot = snapshot
        self._scroll()

    def _rows(self) -> list[Row]:
        if self._snapshot is None:
            return []
        rows = rows_of(self._snapshot, self._now())
        return [row for row in rows if row.path not in self._scrolled_away or not row.is_over]

    def _scroll(self) -> None:
        # What no longer fits is printed once above the redrawn part, as a terminal would scroll.
        rows = self._rows()
        surplus = len(rows) - max(self._console.height - _LINES_KEPT_FREE, 1)
        for row in rows[: max(surplus, 0)]:
            if not row.is_over:
                break
            self._scrolled_away.add(row.path)
            self._live.console.print(self._lines([row]))

    def _render(self) -> Text:
        return self._lines(self._rows())

    def _lines(self, rows: Sequence[Row]) -> Text:
        lines = Text("\n", no_wrap=True, overflow="ellipsis").join(map(self._line, rows))
        lines.no_wrap, lines.overflow = True, "ellipsis"
        return lines

    def _line(self, row: Row) -> Text:
        quiet = row.kind in ("Choice", "Pass") and row.is_over
        line = Text(" " * self._indent + "  " * row.depth)
        line.append_text(self._glyph(row))
        line.append(f" {row.state}", style="dim" if quiet else "" if row.is_over else "bold")
        if row.visits > 1:
            line.append(f" ×{row.visits}", style="dim")
        line.pad_right(max(self._indent + _STATE_WIDTH - line.cell_len, 1))
        seconds = duration(row.seconds) if row.seconds >= _NOTICEABLE_SECONDS else ""
        line.append(f"{seconds:>{_DURATION_WIDTH}}  ", style="dim" if row.is_over else "")
        if row.fraction is not None:
            line.append_text(_bar(row.fraction))
        line.append(row.detail, style=_detail_style(row))
        return line

    def _glyph(self, row: Row) -> Text:
        if row.status is VisitStatus.RUNNING:
            frame = self._spinner.render(self._console.get_time())
            return frame if isinstance(frame, Text) else Text("●")
        glyph, color = _GLYPHS[row.status]
        return Text(glyph, style=color)


def _bar(fraction: float) -> Text:
    done = round(fraction * _BAR_WIDTH)
    bar = Text("━" * done, style="cyan")
    bar.append("━" * (_BAR_WIDTH - done), style="bright_black")
    return bar.append(f" {fraction * 100:3.0f} %  ", style="default")


def _detail_style(row: Row) -> str:
    if row.status is VisitStatus.FAILED:
        return "red"
    if row.status is VisitStatus.RETRYING:
        return "yellow"
    return "dim" if row.is_over else ""
