"""Lets the functions' threads do their work in the caller's thread, one after the other.

So that the order of calls is the same every time, and the process can be forked anywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self


class InlineExecutor:
    """What the functions use of ThreadPoolExecutor."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Need no threads."""

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def map(self, work: Callable[..., Any], *items: Iterable[Any]) -> Iterator[Any]:
        return iter([work(*each) for each in zip(*items, strict=True)])

    def shutdown(self, *, wait: bool = True) -> None:
        """Nothing is left to wait for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to wait for."""


def run_threads_inline() -> None:
    """Replace the thread pools of the functions; for good."""
    for name, module in list(sys.modules.items()):
        if name.startswith("retraining.") and vars(module).get("ThreadPoolExecutor") is (
            ThreadPoolExecutor
        ):
            module.ThreadPoolExecutor = InlineExecutor  # type: ignore[attr-defined]
