"""The two streams: results go to stdout, everything a person follows goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

_PIPED_WIDTH = 160
INDENT = 2
STEP_INDENT = 6


def _console(stream: TextIO) -> Console:
    # A pipe or a log file has no width of its own; 80 columns would fold every table.
    return Console(
        file=stream,
        width=None if stream.isatty() else _PIPED_WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
    )


def results() -> Console:
    """Return the console on stdout, for what a command was asked for."""
    return _console(sys.stdout)


def progress() -> Console:
    """Return the console on stderr, for progress, notes and errors."""
    return _console(sys.stderr)


def tell(message: str, style: str = "") -> None:
    """Print one line for the person who follows (stderr), never folded."""
    progress().print(message, style=style or None, soft_wrap=True)


def note(message: str, style: str = "", indent: int = INDENT) -> None:
    """Print one line that belongs to what was told before (stderr)."""
    tell(" " * indent + message, style)


def show(renderable: RenderableType) -> None:
    """Print a result (stdout)."""
    results().print(renderable)


def show_line(line: str | Text) -> None:
    """Print one line of a result (stdout), never folded, so that it can be copied."""
    results().print(line, soft_wrap=True)


def show_json(value: object) -> None:
    """Print ``value`` as indented JSON (stdout); dates become ISO strings."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


@contextmanager
def busy(message: str, indent: int = INDENT) -> Iterator[None]:
    """Say (on stderr) that something takes a while; a spinner turns where one can be drawn."""
    if not is_interactive():
        note(message, indent=indent)
        yield
        return
    spinner = Padding(Spinner("dots", message, style="cyan"), (0, 0, 0, indent))
    with Live(spinner, console=progress(), transient=True):
        yield


def is_interactive() -> bool:
    """Return whether somebody watches stderr on a terminal that can redraw lines."""
    return progress().is_terminal and not progress().is_dumb_terminal
