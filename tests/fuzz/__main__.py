"""``python -m tests.fuzz``: broken images and requests by the hundred thousand.

First in this process (decoding, understanding requests), then over HTTP against `serve`. Exit
status 1 when one was answered with 5xx, took too long, or ended the server. The seed is printed;
the same seed makes the same inputs.
"""

from __future__ import annotations

import argparse
import http.client
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from tests.fuzz import inputs, properties
from tests.unit.serving.processes import ServeProcess, make_base_dir, serving_process

_MOST_SECONDS = 20.0
_CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"
_RAW_SHARE = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; an input that breaks a promise ends it with a traceback that shows it."""
    parser = argparse.ArgumentParser(prog="fuzz-serving", description=__doc__)
    parser.add_argument("--decoder", type=int, default=80_000, help="images (default: 80000)")
    parser.add_argument("--handler", type=int, default=25_000, help="requests (default: 25000)")
    parser.add_argument("--http", type=int, default=5_500, help="over HTTP (default: 5500)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    warnings.filterwarnings("ignore", module="PIL")
    _tell("images", _images(options.decoder, options.seed))
    _tell("requests", _requests(options.handler, options.seed))
    with (
        tempfile.TemporaryDirectory() as directory,
        serving_process(make_base_dir(Path(directory)), MAX_BODY_MEGABYTES="1") as server,
    ):
        log = _drain(server)
        server.wait_until_ready()
        answers = _over_http(server, options.http, options.seed)
        answers.update(_raw(server, max(1, options.http // _RAW_SHARE), options.seed))
        healthy = _status(server, "/ping") == 200
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=30)
    _tell("over HTTP", answers)
    faults = [status for status in answers if isinstance(status, int) and status >= 500]
    crashed = any("Traceback" in line or "starting it again" in line for line in log)
    if crashed:
        print("".join(log)[-5000:])
    return 1 if faults or crashed or not healthy or server.process.returncode else 0


def _drain(server: ServeProcess) -> list[str]:
    """Read what the server writes, or it would wait for somebody to do so."""
    lines: list[str] = []
    output = server.process.stdout
    assert output is not None
    threading.Thread(target=lambda: lines.extend(output), daemon=True).start()
    return lines


def _tell(what: str, outcomes: Counter[object]) -> None:
    counted = ", ".join(f"{count:,} {name}" for name, count in outcomes.most_common())
    print(f"{what}: {outcomes.total():,} ({counted})", flush=True)


def _run(test: Callable[..., None], count: int, seed: int) -> None:
    limits = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    hypothesis.seed(seed)(limits(test))()


def _images(count: int, seed: int) -> Counter[object]:
    outcomes: Counter[object] = Counter()

    @given(data=inputs.broken_images())
    def test(data: bytes) -> None:
        decoded = properties.image_is_decoded_or_refused(data)
        outcomes["decoded" if decoded else "refused"] += 1

    _run(test, count, seed)
    return outcomes


def _requests(count: int, seed: int) -> Counter[object]:
    outcomes: Counter[object] = Counter()

    @given(**inputs.request_parts())
    def test(
        content_type: str, attributes: str, query: dict[str, str], accept: str, body: bytes
    ) -> None:
        understood = properties.request_is_understood_or_refused(
            content_type, attributes, query, accept, body
        )
        outcomes["understood" if understood else "refused"] += 1

    _run(test, count, seed)
    return outcomes


def _over_http(server: ServeProcess, count: int, seed: int) -> Counter[object]:
    statuses: Counter[object] = Counter()
    connection = http.client.HTTPConnection(*_address(server), timeout=_MOST_SECONDS)

    @given(**inputs.request_parts())
    def test(
        content_type: str, attributes: str, query: dict[str, str], accept: str, body: bytes
    ) -> None:
        headers = {"Content-Type": content_type, _CUSTOM: attributes, "Accept": accept}
        path = f"/invocations?{urlencode(query, quote_via=quote)}"
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        statuses[answer.status] += 1
        assert answer.status < 500, content

    _run(test, count, seed)
    connection.close()
    return statuses


def _raw(server: ServeProcess, count: int, seed: int) -> Counter[object]:
    """Send what is no HTTP, or stops in the middle of it."""
    statuses: Counter[object] = Counter()

    @given(data=inputs.raw_requests())
    def test(data: bytes) -> None:
        began = time.monotonic()
        with socket.create_connection(_address(server), timeout=_MOST_SECONDS) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while chunk := client.recv(65_536):
                    answer += chunk
            except ConnectionResetError:
                pass
        assert time.monotonic() - began < _MOST_SECONDS
        status = int(answer.split(b" ", 2)[1]) if answer else "closed"
        statuses[status] += 1
        assert status == "closed" or status < 500, answer

    _run(test, count, seed)
    return statuses


def _status(server: ServeProcess, path: str) -> int:
    """Return the status of a GET."""
    connection = http.client.HTTPConnection(*_address(server), timeout=_MOST_SECONDS)
    connection.request("GET", path)
    return connection.getresponse().status


def _address(server: ServeProcess) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
