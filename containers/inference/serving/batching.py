"""Micro-batching: the work of all waiting requests shares a network's batches.

There is no timer. An idle lane takes what waits at once; what arrives while all lanes are busy
makes up the next batches. Batches therefore grow with the load and nobody waits for company. Work
that is there while several lanes are idle is shared out among them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving.lanes import Lanes

_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    bucket: Hashable
    result: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Does items in batches of one bucket each; to be used from one event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        bucket: Callable[[Item], Hashable],
        max_batch: int,
        lanes: Lanes,
    ) -> None:
        """`work` runs on a lane, one result per item; `bucket` names what may go together."""
        self._work = work
        self._bucket = bucket
        self._max_batch = max_batch
        self._lanes = lanes
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        # Tasks need somebody who holds them; who counts as a worker is another matter, because a
        # task is told to be done only some time after its last look at what waits.
        self._workers: set[asyncio.Task[None]] = set()
        self._hired = 0

    async def do(self, items: Sequence[Item]) -> list[Result]:
        """Do the items of one request. Raises what the work raised for one of them."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Result]] = [loop.create_future() for _ in items]
        for item, future in zip(items, futures, strict=True):
            self._waiting.append(_Waiting(item, self._bucket(item), future))
        self._hire()
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:
                future.cancel()

    def _hire(self) -> None:
        wanted = min(self._lanes.count, len(self._waiting))
        for _ in range(wanted - self._hired):
            self._hired += 1
            worker = asyncio.create_task(self._work_until_done())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work_until_done(self) -> None:
        try:
            await self._take_turns()
        finally:
            self._hired -= 1

    async def _take_turns(self) -> None:
        while self._waiting:
            async with self._lanes.free() as lane:
                # Only now: what arrived while every lane was busy is part of the batch.
                batch = self._next_batch()
                if batch:
                    items = [waiting.item for waiting in batch]
                    outcomes = await lane.run(lambda: self._do_apart(items))  # noqa: B023
                    for waiting, outcome in zip(batch, outcomes, strict=True):
                        _settle(waiting.result, outcome)

    def _next_batch(self) -> list[_Waiting[Item, Result]]:
        """Take the oldest item and those of its bucket; abandoned items are let go."""
        alive = [waiting for waiting in self._waiting if not waiting.result.done()]
        share = -(-len(alive) // (self._lanes.idle + 1))
        limit = max(1, min(self._max_batch, share))
        batch: list[_Waiting[Item, Result]] = []
        others: deque[_Waiting[Item, Result]] = deque()
        for waiting in alive:
            if len(batch) < limit and (not batch or waiting.bucket == batch[0].bucket):
                batch.append(waiting)
            else:
                others.append(waiting)
        self._waiting = others
        return batch

    def _do_apart(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        """Do a batch; if that fails, do each item alone so that only the culprit fails."""
        try:
            return self._do_all(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            _log.exception("A batch of %d failed; doing its parts one by one.", len(items))
        return [outcome for item in items for outcome in self._do_apart([item])]

    def _do_all(self, items: Sequence[Item]) -> Sequence[Result]:
        results = self._work(items)
        if len(results) != len(items):
            raise RuntimeError(f"{len(items)} items went in and {len(results)} results came out.")
        return results


def _settle(future: asyncio.Future[Result], outcome: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
