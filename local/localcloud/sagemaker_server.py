"""One ``serve`` process, of an endpoint or a transform job.

On AWS a container is started with the model unpacked at ``/opt/ml/model`` and gets traffic once
``GET /ping`` answers 200. Here the image's ``serve`` runs on a free loopback port.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.processes import Child
from localcloud.sagemaker_containers import (
    Container,
    container_environment,
    fresh_directory,
    image_of,
    start,
)
from localcloud.sagemaker_errors import JobInputError
from localcloud.sagemaker_logs import LogStream
from localcloud.sagemaker_models import ServedContainer
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_transfer import Transfer, unpack

_PING_SECONDS = 2.0
_PING_INTERVAL_SECONDS = 0.1
_DRAIN_SECONDS = 60.0
_STOP_GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class ServerPlan:
    """What to start: a container, and where its files and logs go.

    ``variant`` is what it is called: an endpoint's variant, or a transform job.
    """

    variant: str
    container: ServedContainer
    directory: Path
    log_group: str
    log_stream: str
    startup_seconds: float
    capture: Mapping[str, Any]


class Server:
    """A running ``serve`` process."""

    def __init__(
        self, context: CloudContext, clients: Clients, transfer: Transfer, plan: ServerPlan
    ) -> None:
        """Nothing runs before ``launch``."""
        self.plan = plan
        self.port = 0
        self._context = context
        self._clients = clients
        self._transfer = transfer
        self._child: Child | None = None
        self._log: LogStream | None = None
        self._requests = 0
        self._idle = threading.Condition()
        self._stopping = False
        self._starting = threading.Lock()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called: its end is no accident then."""
        return self._stopping

    def launch(self) -> None:
        """Unpack the model and start the process.

        Raises JobInputError when image, model data or program are missing.
        """
        base = fresh_directory(self.plan.directory)
        model = base / "model"
        model.mkdir()
        if self.plan.container.model_data_url is not None:
            archive = base / "model.tar.gz"
            archive.write_bytes(
                self._transfer.read(S3Location.parse(self.plan.container.model_data_url))
            )
            unpack(archive, model)
            archive.unlink()
        self._run(base)

    def relaunch(self) -> None:
        """Start the process again on a new port, with the model as it lies there."""
        with self._starting:
            if not self._stopping:
                self._finish_log()
                self._run(self.plan.directory)

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._child is not None and self._child.poll() is None

    def wait_until_healthy(self) -> bool:
        """Wait until ``/ping`` answers 200; False when it ends or the time is over."""
        deadline = time.monotonic() + self.plan.startup_seconds
        while time.monotonic() < deadline and not self._stopping:
            if self._ping():
                return True
            if not self.is_alive():
                return False
            time.sleep(_PING_INTERVAL_SECONDS)
        return False

    def begin_request(self) -> None:
        """Count a request as running, so that ``stop`` waits for it."""
        with self._idle:
            self._requests += 1

    def end_request(self) -> None:
        """Count a request as ended."""
        with self._idle:
            self._requests -= 1
            self._idle.notify_all()

    def stop(self) -> None:
        """Let running requests end, then end the process and remove its files."""
        with self._starting:
            self._stopping = True
        with self._idle:
            self._idle.wait_for(lambda: self._requests == 0, _DRAIN_SECONDS)
        if self._child is not None:
            self._child.terminate(_STOP_GRACE_SECONDS)
        self._finish_log()
        shutil.rmtree(self.plan.directory / "model", ignore_errors=True)

    def _run(self, base: Path) -> None:
        image = image_of(self._context, self.plan.container.image)
        self.port = _free_port()
        environment = {
            **container_environment(
                self._context,
                image,
                base,
                self.plan.container.environment,
                isolated=self.plan.container.isolated,
            ),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SERVE_HOST": "127.0.0.1",
        }
        log_file = base / "log.txt"
        log_file.touch()
        offset = log_file.stat().st_size
        container = Container(self.plan.variant, image, ["serve"], environment, base, log_file)
        try:
            self._child = start(container)
        except FileNotFoundError as error:
            raise JobInputError(str(error)) from error
        self._log = LogStream(
            self._clients, log_file, self.plan.log_group, self.plan.log_stream, offset=offset
        )
        self._log.start()

    def _finish_log(self) -> None:
        if self._log is not None:
            self._log.finish()
            self._log = None

    def _ping(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
