"""Does the server's memory stay flat over 20,000 mixed requests, and does /ping stay quick?

python -m benchmarks.serving.soak: good and bad requests of every kind go to the server from several
clients, while /ping is asked ten times a second. Exit status 1 when memory grows by more than a
tenth in the second half, when /ping takes 100 ms, or when the server answers 5xx.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from benchmarks.models import PACKAGED, base_model
from benchmarks.options import positive
from benchmarks.places import CACHE
from benchmarks.serving import images
from benchmarks.serving.servers import Running, ours, running

_CLIENTS = 8
_MOST_GROWTH = 0.10
_MOST_PING_SECONDS = 0.1
_SAMPLES = 20

Request = tuple[str, bytes, str]


@dataclass
class _Seen:
    statuses: Counter[int] = field(default_factory=Counter)
    pings: list[float] = field(default_factory=list)
    megabytes: list[tuple[int, float]] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the requests and print what was seen."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--requests", type=positive, default=20_000, help="default: 20000")
    count: int = parser.parse_args(arguments).requests
    seen = _Seen()
    with running(ours(base_model(PACKAGED)), CACHE / "serving" / "logs" / "soak.txt") as server:
        done = threading.Event()
        pinging = threading.Thread(target=_ping, args=(server, seen, done))
        pinging.start()
        _send_all(server, _requests(), count, seen)
        done.set()
        pinging.join()
    return _judge(seen)


def _requests() -> list[Request]:
    """Return the mix: lines and a few pages, alone and in lists, good and broken."""
    lines = images.lines(400)
    made: list[Request] = [("", line.content, "application/octet-stream") for line in lines]
    # Every size of a page is new work to a network's library, which keeps what it made for it.
    made += [("?mode=page", content, "image/jpeg") for content in _page_sizes()]
    for start in range(0, 12, 4):
        texts = [base64.b64encode(line.content).decode() for line in lines[start : start + 4]]
        made.append(("", json.dumps({"images": [*texts, "no image"]}).encode(), "application/json"))
    cut = [(query, content[: len(content) // 2], kind) for query, content, kind in made[:8]]
    bad = [("", b"", "image/png"), ("", b"{", "application/json"), ("", b"x", "text/csv")]
    return [*made, *cut, *bad, ("?mode=word", lines[0].content, "image/jpeg")]


def _page_sizes() -> list[bytes]:
    contents = []
    for index, page in enumerate(images.pages(8)):
        image = Image.open(io.BytesIO(page.content))
        stream = io.BytesIO()
        image.crop((0, 0, image.width - 64 * index, image.height // (1 + index % 4))).save(
            stream, "JPEG"
        )
        contents.append(stream.getvalue())
    return contents


def _send_all(server: Running, requests: list[Request], count: int, seen: _Seen) -> None:
    turns = iter(np.random.default_rng(1).integers(0, len(requests), count).tolist())
    lock = threading.Lock()
    sent = 0

    def be_client() -> None:
        nonlocal sent
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while True:
            with lock:
                turn = next(turns, None)
                if turn is None:
                    return
                sent += 1
                if sent % (count // _SAMPLES) == 0:
                    seen.megabytes.append((sent, server.resident_megabytes()))
            query, content, kind = requests[turn]
            connection.request("POST", f"/invocations{query}", content, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            with lock:
                seen.statuses[answer.status] += 1

    clients = [threading.Thread(target=be_client) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def _ping(server: Running, seen: _Seen, done: threading.Event) -> None:
    while not done.wait(0.1):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        began = time.monotonic()
        connection.request("GET", "/ping")
        connection.getresponse().read()
        seen.pings.append(time.monotonic() - began)
        connection.close()


def _judge(seen: _Seen) -> int:
    for sent, megabytes in seen.megabytes:
        print(f"{sent:>8,} requests  {megabytes:.0f} MB")
    half = len(seen.megabytes) // 2
    first = max(megabytes for _, megabytes in seen.megabytes[: half + 1])
    growth = max(megabytes for _, megabytes in seen.megabytes[half:]) / first - 1
    slow = sum(each > _MOST_PING_SECONDS for each in seen.pings)
    ordered = sorted(seen.pings)
    print(f"answers: {dict(sorted(seen.statuses.items()))}")
    print(f"memory in the second half over the first: {growth:+.1%}")
    print(
        f"/ping, {len(ordered)} times: median {1000 * ordered[len(ordered) // 2]:.1f} ms, "
        f"longest {1000 * ordered[-1]:.0f} ms, {slow} over 100 ms"
    )
    faults = sum(number for status, number in seen.statuses.items() if status >= 500)
    return 1 if growth > _MOST_GROWTH or slow or faults else 0


if __name__ == "__main__":
    sys.exit(main())
