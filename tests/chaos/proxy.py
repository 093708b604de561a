"""Stands between a function's processes and the local cloud, and does harm on the way.

One server per function; its URL is given to the function as its AWS endpoint. What happens to a
request is drawn from a seeded generator, as often as ``Weather`` says.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.chaos.peers import kill_peer

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/")
_OUTAGE_REQUESTS = 8
_SECONDS = 120.0


class RequestFault(StrEnum):
    """What may happen to a request on the wire."""

    THROTTLED = "cloud: throttled"
    BROKEN = "cloud: server error (500)"
    AWAY = "cloud: unavailable (503)"
    OUTAGE = "cloud: unavailable for eight requests on end"
    CUT_BEFORE = "cloud: connection cut before the request"
    CUT_AFTER = "cloud: done, answer lost"
    KILLED_BEFORE = "cloud: function killed before a call"
    KILLED_AFTER = "cloud: function killed after a call"
    SLOW = "cloud: answer late"


_KILLS = frozenset({RequestFault.KILLED_BEFORE, RequestFault.KILLED_AFTER})
_WORDS = {
    RequestFault.THROTTLED: {"s3": (503, "SlowDown"), "": (400, "ThrottlingException")},
    RequestFault.BROKEN: {"s3": (500, "InternalError"), "": (500, "InternalServerError")},
    RequestFault.AWAY: {"": (503, "ServiceUnavailable")},
    RequestFault.OUTAGE: {"": (503, "ServiceUnavailable")},
}


@dataclass
class Weather:
    """How often requests are harmed (share of all), and how often by a kill."""

    seed: int
    cloud_pid: int
    harm: float = 0.0
    kill: float = 0.0
    delay_seconds: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def draw(self) -> RequestFault | None:
        """Tell what happens to the next request."""
        with self._lock:
            drawn = self._rng.random()
            if drawn < self.kill:
                return self._rng.choice(sorted(_KILLS))
            if drawn < self.kill + self.harm:
                return self._rng.choice(sorted(set(RequestFault) - _KILLS))
        return None

    def note(self, fault: RequestFault) -> None:
        """Count what was done."""
        with self._lock:
            self.injected[str(fault)] += 1

    def be(self, *, harm: float, kill: float, delay_seconds: float = 0.0) -> None:
        """Change."""
        with self._lock:
            self.harm, self.kill, self.delay_seconds = harm, kill, delay_seconds


class Proxy:
    """One function's way to the cloud."""

    def __init__(self, cloud: tuple[str, int], weather: Weather) -> None:
        outage = [0]

        class Handler(_Handler):
            pass

        Handler.cloud, Handler.weather, Handler.outage = cloud, weather, outage
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    cloud: tuple[str, int]
    weather: Weather
    outage: list[int]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        # Processes are killed in the middle of requests here.
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def handle_expect_100(self) -> bool:
        told = super().handle_expect_100()
        # Else the client waits a second for it with every upload.
        self.wfile.flush()
        return told

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _answer(self) -> None:
        body = self._body()
        fault = self._fault()
        time.sleep(self.weather.delay_seconds)
        if fault in _WORDS:
            self._refuse(fault)
            return
        if fault is RequestFault.SLOW:
            time.sleep(1.0)
        if fault in {RequestFault.CUT_BEFORE, RequestFault.KILLED_BEFORE}:
            self._cut(kill=fault in _KILLS)
            return
        status, headers, content = self._forward(body)
        if fault in {RequestFault.CUT_AFTER, RequestFault.KILLED_AFTER}:
            self._cut(kill=fault in _KILLS)
            return
        self._send(status, headers, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

    def _fault(self) -> RequestFault | None:
        if self.outage[0] > 0:
            self.outage[0] -= 1
            return RequestFault.AWAY
        fault = self.weather.draw()
        if fault is RequestFault.OUTAGE:
            self.outage[0] = _OUTAGE_REQUESTS - 1
        if fault:
            self.weather.note(fault)
        return fault

    def _cut(self, *, kill: bool) -> None:
        if kill:
            kill_peer(self.client_address[1], below=self.weather.cloud_pid)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(self, fault: RequestFault) -> None:
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        service = scope.group(1) if scope else ""
        words = _WORDS[fault]
        status, code = words.get(service, words[""])
        if service == "s3":
            content = f"<Error><Code>{code}</Code><Message>On purpose.</Message></Error>"
        else:
            content = json.dumps({"__type": code, "message": "It was done on purpose."})
        self._send(status, [("content-type", "application/xml")], content.encode())

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.cloud, timeout=_SECONDS)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Host", f"{self.cloud[0]}:{self.cloud[1]}")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        told = False
        for name, value in headers:
            if name.lower() in _HOP_BY_HOP - {"content-length"}:
                continue
            if name.lower() == "content-length":
                told = True
                # Of HEAD it is the object's.
                value = value if self.command == "HEAD" else str(len(content))
            self.send_header(name, value)
        if not told:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length")
        if length is not None:
            return self.rfile.read(int(length))
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return b""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


_HOP_BY_HOP = frozenset(
    {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
)
