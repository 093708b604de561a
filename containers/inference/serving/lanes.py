"""Threads for the networks: as many at once as the device does well, the first come first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

_Result = TypeVar("_Result")


class Pool:
    """Threads that know how long they have been at their work; for one event loop."""

    def __init__(self, threads: int, name: str) -> None:
        """`name` begins the names of the threads."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._since: dict[object, float] = {}

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Return what the work returns, raise what it raises."""
        token = object()

        def timed() -> _Result:
            self._since[token] = time.monotonic()
            try:
                return work()
            finally:
                del self._since[token]

        return await asyncio.get_running_loop().run_in_executor(self._threads, timed)

    def longest_seconds(self) -> float:
        """Return how long the oldest work that has begun has been going on, in seconds."""
        began = min(list(self._since.values()), default=None)
        return 0.0 if began is None else time.monotonic() - began

    def close(self) -> None:
        """Give the threads back; work that has not begun is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class Lanes:
    """A pool whose threads are handed out in turn, so that nothing queues behind a thread."""

    def __init__(self, count: int) -> None:
        """`count` is how many networks run at once."""
        self.count = count
        self.idle = count
        self.pool = Pool(count, "network")
        self._turns = asyncio.Semaphore(count)

    @asynccontextmanager
    async def free(self) -> AsyncIterator[Pool]:
        """Wait for a free lane and hold it."""
        async with self._turns:
            self.idle -= 1
            try:
                yield self.pool
            finally:
                self.idle += 1
