"""What happens around the process that serves: it crashes, hangs, is told to stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

PNG = {"content-type": "image/png"}
CONTAINERS = Path(__file__).parents[3] / "containers"

# Workers that are no server: what they do is the argument.
SCRIPT = """
import os, signal, sys, time
from serving.supervisor import Supervisor, listen

def work(listener, on_listening):
    print("worker", os.getpid(), flush=True)
    behaviour = sys.argv[1]
    if behaviour == "never-listens":
        return 3
    on_listening()
    if behaviour == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "cannot-work":
        return 1
    if behaviour == "raises":
        raise RuntimeError("a fault of ours")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)

if sys.argv[1] == "ignores-sigterm":
    import serving.supervisor
    serving.supervisor._KILL_AFTER_SECONDS = 0.5
sys.exit(Supervisor(listen("127.0.0.1", 0), work).run())
"""


def supervised(behaviour):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, behaviour],
        env={**os.environ, "PYTHONPATH": f"{CONTAINERS / 'shared'}:{CONTAINERS / 'inference'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("behaviour", "code", "workers", "says"),
    [
        ("never-listens", 3, 1, ""),
        ("cannot-work", 1, 1, ""),
        ("crashes", 1, 3, "SIGSEGV"),
        ("raises", 1, 3, "a fault of ours"),
    ],
)
def test_a_worker_that_cannot_work_is_given_up(behaviour, code, workers, says):
    process = supervised(behaviour)

    output, _ = process.communicate(timeout=30)

    assert process.returncode == code
    assert len(re.findall(r"^worker \d+$", output, re.MULTILINE)) == workers
    assert says in output


def test_a_worker_that_ignores_sigterm_is_killed_in_time():
    process = supervised("ignores-sigterm")
    assert process.stdout.readline().startswith("worker")
    time.sleep(0.3)

    process.terminate()

    process.communicate(timeout=10)
    assert process.returncode == 0


def worker_of(server):
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    (worker,) = map(int, children.split())
    return worker


def test_a_crashed_worker_is_seen_in_ping_and_replaced(serve, base_dir, stripes, encoded):
    with serve(base_dir) as server:
        server.wait_until_ready()
        crashed = worker_of(server)
        os.kill(crashed, signal.SIGSEGV)
        statuses, slowest = [], 0.0
        while 503 not in statuses or statuses[-1] != 200:
            began = time.monotonic()
            try:
                statuses.append(httpx.get(f"{server.url}/ping", timeout=10).status_code)
                slowest = max(slowest, time.monotonic() - began)
            except httpx.TransportError:
                # The connection that the worker took with it.
                statuses.append(0)
        answer = httpx.post(
            f"{server.url}/invocations", content=encoded(stripes("AB")), headers=PNG
        )
        replaced = worker_of(server)
        server.process.send_signal(signal.SIGTERM)
        output, _ = server.process.communicate(timeout=30)

    assert answer.json()["predictions"][0]["text"] == "AB"
    assert replaced != crashed
    assert statuses.count(0) <= 1
    assert slowest < 1
    assert "signal SIGSEGV" in output
    assert server.process.returncode == 0


def test_no_worker_is_left_when_the_server_is_killed(serve, base_dir):
    with serve(base_dir) as server:
        server.wait_until_ready()
        worker = worker_of(server)
        server.process.kill()
        server.process.wait(10)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        gone = not Path(f"/proc/{worker}").exists() or "Z" in _state(worker)

    assert gone


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_taken_port_ends_serve_with_one_line(serve, base_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serve(base_dir, SAGEMAKER_BIND_TO_PORT=port) as server:
            output, _ = server.process.communicate(timeout=60)

    assert server.process.returncode == 1
    assert f"127.0.0.1:{port} cannot be listened on" in output
    assert len(output.splitlines()) == 1


def test_connections_are_refused_once_the_server_is_told_to_stop(serve, base_dir, encoded, stripes):
    with serve(base_dir) as server:
        server.wait_until_ready()
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=30)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/ping", timeout=5)
