"""The HTTP server that answers as AWS, on loopback and on a port the kernel picks."""

from __future__ import annotations

import threading

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from localcloud.untyped import Moto

HOST = "127.0.0.1"


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc]
    # Responses go out as headers and body; with Nagle's algorithm the body waits for the peer's
    # delayed acknowledgement, 40 ms per request.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing per request: an upload makes thousands."""


class _Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]
    """Finds the service of a request; moto lists its own directory for each one, half its time."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._known: dict[str | None, Moto] = {}

    def get_backend_for_host(self, host: str | None) -> Moto:
        if host not in self._known:
            self._known[host] = super().get_backend_for_host(host)
        return self._known[host]


class CloudServer:
    """moto behind a threaded HTTP/1.1 server."""

    def __init__(self) -> None:
        """Bind to a free port; requests are answered after ``start``."""
        self._server: BaseWSGIServer = make_server(
            HOST, 0, _Dispatcher(), threaded=True, request_handler=_RequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that the kernel picked."""
        return int(self._server.server_address[1])

    @property
    def endpoint_url(self) -> str:
        """What clients set as AWS_ENDPOINT_URL."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Answer requests in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting requests; those under way are not waited for."""
        self._server.shutdown()
        self._server.server_close()
