"""The numbered steps of a longer story, with how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.text import Text

from ocr_retrain.phrases import duration
from ocr_retrain.terminal import STEP_INDENT, note, progress


class Narrator:
    """Tells (on stderr) which step of how many begins, what happens in it and how long it took."""

    def __init__(self, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin a story of ``steps`` steps now."""
        self._steps = steps
        self._clock = clock
        self._begun_at = clock()
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell the next step around what happens in the ``with`` block."""
        self._number += 1
        begun_at = self._clock()
        heading = Text(f"\n[{self._number}/{self._steps}] ", style="cyan")
        heading.append(title, style="bold default")
        progress().print(heading, soft_wrap=True)
        yield
        note(duration(self._clock() - begun_at), style="dim", indent=STEP_INDENT)

    def say(self, sentence: str) -> None:
        """Tell something that happens within a step."""
        note(sentence, indent=STEP_INDENT)

    def seconds(self) -> float:
        """Return how long the story takes so far."""
        return self._clock() - self._begun_at
