"""Containers as SageMaker runs them: no network, input that cannot be written, SIGTERM to stop."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.container_images.engine import Engine

# SageMaker gives a training job two minutes, an endpoint's container thirty seconds.
STOP_SECONDS = 120

CLIENT = """
import http.client, json, sys, time
def ask(method, path, kind, file):
    body = open(file, "rb").read() if file else None
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    answer = connection.getresponse()
    body = answer.read().decode()
    return {"status": answer.status, "headers": dict(answer.getheaders()), "body": body}
def wait_for_ping(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ask("GET", "/ping", "", "")["status"] == 200:
                return
        except OSError:
            pass
        time.sleep(0.01)
    sys.exit("/ping is not 200")
wait_for_ping(60)
print("asking", flush=True)
print(json.dumps([{**ask(*each), "at": time.time()} for each in json.loads(sys.argv[1])]))
"""


@dataclass(frozen=True)
class Ended:
    """How a container ended: exit code, output, and seconds from its start to its end."""

    code: int
    output: str
    seconds: float


@dataclass(frozen=True)
class Container:
    """A container that runs."""

    engine: Engine
    name: str
    process: subprocess.Popen[str]
    began: float

    def lines(self) -> Iterator[str]:
        """What it prints, line by line as it comes."""
        assert self.process.stdout is not None
        # Whoever stops early would close a file that is delegated to, but not this.
        yield from iter(self.process.stdout.readline, "")

    def terminate(self) -> None:
        """Send SIGTERM to its first process, as SageMaker does."""
        self.engine.ask("kill", "--signal", "TERM", self.name)

    def wait(self, seconds: float = 600) -> Ended:
        """Wait for its end, kill it when that takes longer; what `lines` gave is not told again."""
        kill = threading.Timer(seconds, self.process.kill)
        kill.start()
        try:
            output = "".join(self.lines())
            return Ended(self.process.wait(), output, time.monotonic() - self.began)
        finally:
            kill.cancel()


@dataclass(frozen=True)
class Machine:
    """Runs containers of one engine."""

    engine: Engine

    @contextmanager
    def running(
        self,
        reference: str,
        command: Sequence[str],
        *,
        mounts: Mapping[str, Path],
        writable: Sequence[str] = (),
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        network: str = "none",
    ) -> Iterator[Container]:
        """Start a container; `mounts` are read-only but for those that are `writable`."""
        name = f"ocr-retrain-test-{uuid.uuid4().hex[:12]}"
        volumes = [
            f"--volume={path}:{place}{'' if place in writable else ':ro'}"
            for place, path in mounts.items()
        ]
        variables = [f"--env={key}={value}" for key, value in (environment or {}).items()]
        began = time.monotonic()
        process = subprocess.Popen(
            [
                *(*self.engine.runner, "run", "--rm", "--name", name, "--network", network),
                *(*self.engine.run_options, *options, *volumes, *variables, reference, *command),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Container(self.engine, name, process, began)
        finally:
            if process.poll() is None:
                subprocess.run(
                    [*self.engine.runner, "kill", name], capture_output=True, check=False
                )
                process.communicate(timeout=60)

    def run(self, reference: str, command: Sequence[str], **how: Any) -> Ended:
        """Run a container to its end."""
        with self.running(reference, command, **how) as container:
            return container.wait()

    @contextmanager
    def asking(
        self, server: Container, reference: str, files: Path, requests: Sequence[Sequence[str]]
    ) -> Iterator[Container]:
        """Send requests (method, path, content type, file below /requests) from beside a server.

        Only the network is shared with the server, whose end must not end the client.
        """
        with self.running(
            reference,
            ["python", "-c", CLIENT, json.dumps(requests)],
            mounts={"/requests": files},
            network=f"container:{server.name}",
        ) as client:
            yield client

    def ask(
        self, server: Container, reference: str, files: Path, requests: Sequence[Sequence[str]]
    ) -> list[dict[str, Any]]:
        """Send requests and return the answers, each with its time as seconds since the epoch."""
        with self.asking(server, reference, files, requests) as client:
            return answers(client.wait())


def answers(ended: Ended) -> list[dict[str, Any]]:
    """The answers that a client printed."""
    assert ended.code == 0, ended.output
    found: list[dict[str, Any]] = json.loads(ended.output.splitlines()[-1])
    return found
