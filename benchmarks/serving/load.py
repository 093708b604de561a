"""Closed-loop clients: each sends an image, waits for the answer, and sends the next."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.serving.images import Asked

_PATIENCE = 120.0
# Two clients never send the same image at the same time.
_APART = 17

Texts = Callable[[object], list[str]]


@dataclass(frozen=True)
class Target:
    """Where images go, and how the texts are found in what comes back."""

    port: int
    path: str
    texts: Texts


@dataclass
class Load:
    """What a load was answered with; seconds are the clients' waiting times."""

    elapsed: float = 0.0
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    right: int = 0
    read: int = 0

    @property
    def throughput(self) -> float:
        """Images per second."""
        return len(self.seconds) / self.elapsed

    def percentile(self, share: float) -> float:
        """Return the waiting time in seconds that this share of requests did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def drive(target: Target, images: Sequence[Asked], clients: int, seconds: float) -> Load:
    """Send images for so long; requests under way at the end are waited for and counted."""
    load = Load()
    began = time.monotonic()
    threads = [
        threading.Thread(target=_be_client, args=(target, images, number, began + seconds, load))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.elapsed = time.monotonic() - began
    return load


def _be_client(
    target: Target, images: Sequence[Asked], number: int, until: float, load: Load
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=_PATIENCE)
    turn = number * _APART
    while time.monotonic() < until:
        asked = images[turn % len(images)]
        turn += 1
        began = time.perf_counter()
        try:
            texts = _ask(connection, target, asked.content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            load.failures.append(str(error))
            connection.close()
            continue
        load.seconds.append(time.perf_counter() - began)
        load.right += sum(text in asked.texts for text in texts)
        load.read += len(asked.texts)
    connection.close()


def _ask(connection: http.client.HTTPConnection, target: Target, content: bytes) -> list[str]:
    connection.request("POST", target.path, content, {"Content-Type": "application/octet-stream"})
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise ValueError(f"{response.status}: {body[:200]!r}")
    return target.texts(json.loads(body))
