"""Micro-batching: lines of all waiting requests share the recognizer's batches.

There is no timer. An idle recognizer takes a line at once; what arrives while a batch runs makes up
the next batches. Batches therefore grow with the load and nobody waits for company.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from recognition.dictionary import Reading
from recognition.images import Pixels

_log = logging.getLogger(__name__)

ReadLines = Callable[[Sequence[Pixels]], Sequence[Reading]]
Width = Callable[[Pixels], int]


@dataclass(frozen=True, eq=False)
class _WaitingLine:
    pixels: Pixels
    width: int
    reading: asyncio.Future[Reading]


class LineBatcher:
    """Reads lines in batches of equal network width; to be used from one event loop."""

    def __init__(self, read: ReadLines, width: Width, max_batch: int) -> None:
        """`read` runs in a thread of its own; `width` names the bucket that a line belongs to."""
        self._read = read
        self._width = width
        self._max_batch = max_batch
        self._waiting: deque[_WaitingLine] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recognizer")

    async def read(self, lines: Sequence[Pixels]) -> list[Reading]:
        """Read the lines of one request. Raises what the recognizer raised for one of them."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in lines]
        for pixels, future in zip(lines, futures, strict=True):
            self._waiting.append(_WaitingLine(pixels, self._width(pixels), future))
        if self._worker is None and self._waiting:
            self._worker = asyncio.create_task(self._work())
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Give the thread back; lines still waiting are dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                lines = [line.pixels for line in batch]
                outcomes = await loop.run_in_executor(self._thread, self._read_apart, lines)
                for line, outcome in zip(batch, outcomes, strict=True):
                    _settle(line.reading, outcome)
        finally:
            self._worker = None

    def _next_batch(self) -> list[_WaitingLine]:
        """Take the oldest line and those that fit its width; abandoned lines are let go."""
        batch: list[_WaitingLine] = []
        others: deque[_WaitingLine] = deque()
        for line in self._waiting:
            if line.reading.done():
                continue
            if len(batch) < self._max_batch and (not batch or line.width == batch[0].width):
                batch.append(line)
            else:
                others.append(line)
        self._waiting = others
        return batch

    def _read_apart(self, lines: Sequence[Pixels]) -> Sequence[Reading | Exception]:
        """Read a batch; if that fails, read each line alone so that only the culprit fails."""
        try:
            return self._read_all(lines)
        except Exception as error:
            if len(lines) == 1:
                return [error]
            _log.exception("A batch of %d lines failed; reading them one by one.", len(lines))
        return [outcome for line in lines for outcome in self._read_apart([line])]

    def _read_all(self, lines: Sequence[Pixels]) -> Sequence[Reading]:
        readings = self._read(lines)
        if len(readings) != len(lines):
            raise RuntimeError(f"{len(lines)} lines went in and {len(readings)} readings came out.")
        return readings


def _settle(future: asyncio.Future[Reading], outcome: Reading | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
