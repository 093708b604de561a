"""Copies of the process, each of which tells one thing before it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Child:
    pid: int
    about: Any
    deadline: float
    told: bytes = b""


class Forks:
    """At most so many copies at a time; ``heard`` gets what each has told, or None for nothing.

    A copy that takes too long is ended: nothing that it waits for will come.
    """

    def __init__(self, most: int, seconds: float, heard: Callable[[Any, Any], None]) -> None:
        self._most, self._seconds, self._heard = most, seconds, heard
        self._children: dict[int, _Child] = {}
        self._out = -1

    def spawn(self, about: Any) -> bool:
        """Copy the process when there is room; True in the copy."""
        assert threading.active_count() == 1, "a copy would have one of several threads only"
        while len(self._children) >= self._most:
            self._listen()
        inwards, outwards = os.pipe()
        pid = os.fork()
        if pid == 0:
            for each in (inwards, *self._children):
                os.close(each)
            self._children, self._out = {}, outwards
            return True
        os.close(outwards)
        self._children[inwards] = _Child(pid, about, time.monotonic() + self._seconds)
        return False

    def tell(self, what: Any) -> None:
        """End the copy with what it has to tell."""
        content = json.dumps(what).encode()
        while content:
            content = content[os.write(self._out, content) :]
        os._exit(0)

    def finish(self) -> None:
        """Hear all copies."""
        while self._children:
            self._listen()

    def _listen(self) -> None:
        nearest = min(each.deadline for each in self._children.values())
        wait = max(0.0, nearest - time.monotonic())
        ready, _, _ = select.select(list(self._children), [], [], wait)
        for pipe in ready:
            piece = os.read(pipe, 1 << 16)
            if piece:
                self._children[pipe].told += piece
            else:
                self._end(pipe)
        for pipe, child in list(self._children.items()):
            if time.monotonic() >= child.deadline:
                os.kill(child.pid, signal.SIGKILL)
                child.told = b""
                self._end(pipe)

    def _end(self, pipe: int) -> None:
        child = self._children.pop(pipe)
        os.close(pipe)
        os.waitpid(child.pid, 0)
        self._heard(child.about, json.loads(child.told) if child.told else None)
