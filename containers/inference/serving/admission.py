"""How many requests, and how many bytes of them, are in the server at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from serving.messages import RequestError


class Admission:
    """Lets requests in until there are too many; to be used from one event loop."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        """`max_bytes` is what the bodies of all requests may take together."""
        self.free_requests = max_requests
        self.free_bytes = max_bytes

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Hold a place for a request. Raises RequestError (429) when all are taken."""
        if self.free_requests < 1:
            raise _too_many()
        self.free_requests -= 1
        place = Place(self)
        try:
            yield place
        finally:
            self.free_requests += 1
            self.free_bytes += place.held


class Place:
    """The place of one request."""

    def __init__(self, admission: Admission) -> None:
        """Begin without any bytes."""
        self._admission = admission
        self.held = 0

    def hold(self, size: int) -> None:
        """Make sure of that many bytes in all. Raises RequestError (429) when there are too few."""
        more = size - self.held
        if more <= 0:
            return
        if more > self._admission.free_bytes:
            raise _too_many()
        self._admission.free_bytes -= more
        self.held = size


def _too_many() -> RequestError:
    return RequestError(
        HTTPStatus.TOO_MANY_REQUESTS, "Too many requests are waiting; try again later."
    )
