"""Showing an execution while it runs: redrawn on a terminal, one line per event elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
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
_STATE_WIDTH = 40
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


def view_for_terminal() -> RunView:
    """Return the view that fits where stderr goes."""
    return LiveView(progress()) if is_interactive() else PlainView(progress())


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PlainView:
    """One line per event, without control characters: for logs and pipes."""

    def __init__(self, console: Console, now: Callable[[], datetime] = _utc_now) -> None:
        """Print to ``console``; ``now`` is the clock that running states are measured with."""
        self._console = console
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
            if row.kind == "Task" and (nests or not row.is_over):
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
        self._console.print(f"  {line}", soft_wrap=True)
        self._last_line_at = self._now()


def _sentence(row: Row) -> str:
    glyph, _ = _GLYPHS[row.status]
    parts = [f"{glyph} {row.state}"]
    if row.seconds >= _NOTICEABLE_SECONDS:
        parts.append(duration(row.seconds))
    if row.detail:
        parts.append(row.detail)
    return "  ".join(parts)


class LiveView:
    """The whole run as a table that is redrawn in place."""

    def __init__(self, console: Console, now: Callable[[], datetime] = _utc_now) -> None:
        """Draw on ``console``; ``now`` is the clock that running states are measured with."""
        self._console = console
        self._now = now
        self._snapshot: Snapshot | None = None
        self._scrolled_away: set[tuple[str, ...]] = set()
        self._spinners: dict[tuple[str, ...], Spinner] = {}
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
            self._live.console.print(self._table([row]))

    def _render(self) -> Group:
        return Group(self._table(self._rows()))

    def _table(self, rows: Sequence[Row]) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=_STATE_WIDTH, no_wrap=True)
        table.add_column(justify="right", width=12, no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for row in rows:
            quiet = row.kind in ("Choice", "Pass") and row.is_over
            style = "dim" if quiet else "bold" if not row.is_over else ""
            seconds = duration(row.seconds) if row.seconds >= _NOTICEABLE_SECONDS else ""
            name = "  " * row.depth + row.state
            times = Text(f" ×{row.visits}", style="dim") if row.visits > 1 else Text("")
            table.add_row(
                self._glyph(row), Text(name, style=style) + times, seconds, self._detail(row)
            )
        return table

    def _glyph(self, row: Row) -> Spinner | Text:
        if row.status is VisitStatus.RUNNING:
            return self._spinners.setdefault(row.path, Spinner("dots", style="cyan"))
        glyph, color = _GLYPHS[row.status]
        return Text(glyph, style=color)

    def _detail(self, row: Row) -> Table | Text:
        style = "red" if row.status is VisitStatus.FAILED else "dim" if row.is_over else ""
        text = Text(row.detail, style=style)
        if row.fraction is None:
            return text
        detail = Table.grid(padding=(0, 1))
        detail.add_column(width=24)
        detail.add_column(justify="right", width=5)
        detail.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=1.0, completed=row.fraction, width=24)
        detail.add_row(bar, f"{row.fraction * 100:.0f} %", text)
        return detail
