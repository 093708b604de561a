"""The serving benchmark's load and tables, against a server that needs no model."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from benchmarks.serving.images import Asked
from benchmarks.serving.load import Load, Target, drive
from benchmarks.serving.report import Measurement, report


class _Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps({"texts": [body.decode()]}).encode()
        self.send_response(500 if body == b"bad" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def target() -> Iterator[Target]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever).start()
        yield Target(server.server_port, "/line", _texts)
        server.shutdown()


def _texts(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    return list(answer["texts"])


def test_answers_are_counted_timed_and_compared_with_the_truth(target: Target) -> None:
    load = drive(target, [Asked(b"a", ("a",)), Asked(b"b", ("c",))], clients=2, seconds=0.3)

    assert load.failures == []
    assert len(load.seconds) == load.read > 2
    assert load.right == pytest.approx(load.read / 2, abs=2)
    assert 0 < load.percentile(0.5) <= load.percentile(0.99) <= load.elapsed
    assert load.throughput == pytest.approx(len(load.seconds) / load.elapsed)


def test_errors_are_counted_and_not_timed(target: Target) -> None:
    load = drive(target, [Asked(b"bad", ("bad",))], clients=1, seconds=0.1)

    assert load.seconds == []
    assert load.failures[0].startswith("500")


def _measurement(contender: str, round: int, per_second: int, cpu: float) -> Measurement:
    load = Load(elapsed=1.0, seconds=[1 / per_second] * per_second, right=9, read=10)
    return Measurement(contender, "line", 16, round, load, cpu)


def test_ratios_are_taken_round_by_round() -> None:
    measured = [
        _measurement("ours", 1, 100, 2.0),
        _measurement("other", 1, 50, 2.0),
        _measurement("ours", 2, 60, 1.2),
        _measurement("other", 2, 20, 1.2),
    ]

    text = report(measured, {"ours": 2.0, "other": 9.0}, {"ours": 300.0, "other": 800.0})

    assert "| lines  | 16      | other        | 2.5x (2.0-3.0)" in text
    assert "| lines  | 16      | ours   | 80.0" in text
    assert "90.0%" in text
