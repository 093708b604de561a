"""Many small uploads at a time, in bounded memory."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from types import TracebackType
from typing import Self

UPLOADERS = 16
MOST_BYTES_WAITING = 64 * 1024**2


class BoundedUploads:
    """Writes objects with several threads; leaving the block waits for all of them.

    The first error of a thread is raised by a later ``put`` or when the block is left.
    """

    def __init__(self, write: Callable[[str, bytes], object]) -> None:
        """Write with that function: key and content."""
        self._write = write
        self._pool = ThreadPoolExecutor(UPLOADERS)
        self._changed = Condition()
        self._waiting = 0
        self._error: BaseException | None = None

    def put(self, key: str, content: bytes) -> None:
        """Write an object soon; wait while too much is waiting already."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._waiting or self._waiting + len(content) <= MOST_BYTES_WAITING
            )
            if self._error:
                raise self._error
            self._waiting += max(1, len(content))
        future = self._pool.submit(self._write, key, content)
        future.add_done_callback(lambda done: self._finished(done, max(1, len(content))))

    def _finished(self, done: "Future[object]", size: int) -> None:
        with self._changed:
            self._waiting -= size
            self._error = self._error or done.exception()
            self._changed.notify_all()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what was begun."""
        self._pool.shutdown(wait=True)
        if error is None and self._error:
            raise self._error
