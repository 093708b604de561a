"""A small campaign, and the parts of the large one."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tests.chaos import retrain
from tests.chaos.proxy import Proxy, Weather

ROOT = Path(__file__).parents[2]
FAULTS = 120


@pytest.mark.timeout(900)
def test_a_small_campaign_is_survived() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--only", "handlers", "--seed", "20261122"]
    done = subprocess.run(
        [*command, "--sample", "--faults", str(FAULTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 20261122" in done.stdout
    *_, last = (row for row in done.stdout.splitlines() if row.startswith("all "))
    injected, survived, lost = map(int, last.split()[1:])
    assert injected >= FAULTS // 2
    assert (survived, lost) == (injected, 0)


def test_the_story_of_a_run_knows_every_state_that_works_or_waits() -> None:
    played = Path(retrain.__file__).read_text(encoding="utf-8")
    at_work = {name for name, each in retrain.states().items() if each["Type"] in {"Task", "Wait"}}
    told_by_choice = {"Register model", "Register as rejected"}
    assert told_by_choice <= at_work
    assert not {name for name in at_work if f'"{name}"' not in played}


def test_the_quick_jobs_are_an_image_of_the_local_cloud() -> None:
    images = yaml.safe_load((ROOT / "local" / "images.yaml").read_text(encoding="utf-8"))["images"]
    (quick,) = (each for uri, each in images.items() if uri.endswith("training:quick"))
    programs = ROOT / quick["path"][0]
    assert all(os.access(programs / name, os.X_OK) for name in ("train", "evaluate"))


# --- the proxy


class _Cloud(BaseHTTPRequestHandler):
    requests: list[str]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(body.decode())
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")


@pytest.fixture
def cloud() -> Iterator[tuple[str, int]]:
    _Cloud.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "127.0.0.1", server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def weather() -> Weather:
    return Weather(seed=1, cloud_pid=os.getpid())


@pytest.fixture
def proxy(cloud: tuple[str, int], weather: Weather) -> Iterator[str]:
    proxy = Proxy(cloud, weather)
    yield proxy.url.removeprefix("http://")
    proxy.close()


def _put(address: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        scope = "AWS4-HMAC-SHA256 Credential=x/20261122/us-east-1/s3/aws4_request"
        connection.request("PUT", "/key", b"content", {"Authorization": scope})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_in_good_weather_requests_pass(proxy: str) -> None:
    assert _put(proxy) == (200, b"done")
    assert _Cloud.requests == ["content"]


def test_in_bad_weather_every_request_is_harmed_and_counted(proxy: str, weather: Weather) -> None:
    weather.be(harm=1.0, kill=0.0)
    unharmed = 0
    for _ in range(60):
        try:
            unharmed += _put(proxy) == (200, b"done")
        except (http.client.HTTPException, OSError):
            continue
    late = weather.injected["cloud: answer late"]
    assert unharmed == late < 30
    assert len(weather.injected) >= 4
    # What was done although its answer was lost, and what was answered late.
    assert len(_Cloud.requests) == weather.injected["cloud: done, answer lost"] + late


_CLIENT = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1])
connection.request("PUT", "/key", b"content")
connection.getresponse()
"""


def test_the_process_that_asks_can_be_killed_before_or_after_the_call(
    proxy: str, weather: Weather
) -> None:
    weather.be(harm=0.0, kill=1.0)
    ends = [
        subprocess.run([sys.executable, "-c", _CLIENT, proxy], timeout=20, check=False).returncode
        for _ in range(4)
    ]
    assert ends == [-9] * 4
    assert weather.injected.total() == 4
    assert len(_Cloud.requests) == weather.injected["cloud: function killed after a call"]
