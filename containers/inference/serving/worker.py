"""The process that serves: HTTP and networks, until SIGTERM or a fault that it cannot survive."""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable

import uvicorn

from serving.reader import load_models
from serving.settings import Settings
from serving.supervisor import CANNOT_WORK, OUR_FAULT
from serving.web import Server

_log = logging.getLogger("serving")

# Longer than a load balancer keeps an idle connection, so that it is never us who close first.
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 1024


class _Listening(uvicorn.Server):
    """Tells when connections are accepted."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()


def serve(settings: Settings, listener: socket.socket, on_listening: Callable[[], None]) -> int:
    """Serve on a bound socket; return the exit code: 0 after SIGTERM, 1 when the model is bad."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stdout,
    )
    # What is wrong with a client's image is said to the client.
    warnings.filterwarnings("ignore", module="PIL")
    failures: list[str] = []

    def give_up() -> None:
        failures.append("load")
        server.should_exit = True

    application = Server(settings, lambda: load_models(settings), give_up, _end_hung).application()
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    server = _Listening(config, on_listening)
    server.run(sockets=[listener])
    return CANNOT_WORK if failures or not server.started else 0


def _end_hung() -> None:
    # A thread that hangs cannot be ended, and would keep the process from ending as it should.
    sys.stdout.flush()
    os._exit(OUR_FAULT)
