"""The Lambda Runtime API: how a function's process fetches invocations and answers them.

See "Using the Lambda runtime API" in the Lambda developer guide (version 2018-06-01). One server
serves one process, as in a real execution environment.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What the process posted for an invocation: JSON, and whether it is an error."""

    payload: bytes
    is_error: bool


@dataclass(frozen=True)
class Invocation:
    """One event on its way to the process and back."""

    request_id: str
    payload: bytes
    deadline_milliseconds: int
    function_arn: str
    trace_id: str
    answer: SimpleQueue[Answer] = field(default_factory=SimpleQueue)


class RuntimeApi:
    """Serves one process; ``submit`` hands it an invocation."""

    def __init__(self) -> None:
        """Listen on a free loopback port."""
        self._inbox: SimpleQueue[Invocation | None] = SimpleQueue()
        self._under_way: Invocation | None = None
        self.is_initialised = threading.Event()
        self.initialisation_error: bytes | None = None
        api = self

        class Handler(_Handler):
            runtime_api = api

        self._server = ThreadingHTTPServer((_HOST, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """``host:port``, the value of AWS_LAMBDA_RUNTIME_API."""
        return f"{_HOST}:{self._server.server_address[1]}"

    def submit(self, invocation: Invocation) -> None:
        """Queue an invocation; its ``answer`` queue gets exactly one answer or none at all."""
        self._inbox.put(invocation)

    def close(self) -> None:
        """Stop listening and let a waiting process go."""
        self._inbox.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> Invocation | None:
        """Return the next invocation, waiting for it; None when the API is closed."""
        self.is_initialised.set()
        self._under_way = self._inbox.get()
        return self._under_way

    def accept(self, request_id: str, answer: Answer) -> None:
        """Take the answer to the invocation under way; late answers to others are dropped."""
        invocation = self._under_way
        if invocation is not None and invocation.request_id == request_id:
            invocation.answer.put(answer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, each answer waits 40 ms for a delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    runtime_api: RuntimeApi

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the function's own output is the log."""

    def do_GET(self) -> None:
        """Answer ``/runtime/invocation/next``."""
        invocation = self.runtime_api.next()
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_milliseconds),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
            "Content-Type": "application/json",
            "Content-Length": str(len(invocation.payload)),
        }
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(invocation.payload)

    def do_POST(self) -> None:
        """Take ``/invocation/<id>/response``, ``/invocation/<id>/error`` or ``/init/error``."""
        body = self._body()
        parts = self.path.rstrip("/").split("/")
        if parts[-2:] == ["init", "error"]:
            self.runtime_api.initialisation_error = body
        else:
            self.runtime_api.accept(parts[-2], Answer(body, is_error=parts[-1] == "error"))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length")
        if length is not None:
            return self.rfile.read(int(length))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
