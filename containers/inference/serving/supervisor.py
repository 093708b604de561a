"""Keeps a worker process running on the server's port, and answers 503 while there is none.

A network or an image decoder may crash as a whole: the worker is then started anew, the socket
stays open, and /ping tells meanwhile that nothing is served. The worker is a fork, made while this
process has one thread and has imported next to nothing.
"""

from __future__ import annotations

import ctypes
import math
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType

Work = Callable[[socket.socket, Callable[[], None]], int]
"""What a worker does with the listening socket until it returns its exit code."""

# A worker that dies sooner after its start than this will not get better by starting it again.
_SHORT_LIFE_SECONDS = 10.0
_MOST_SHORT_LIVES = 3
_KILL_AFTER_SECONDS = 24.0
_LOOK_EVERY_SECONDS = 0.2
_PATIENCE_SECONDS = 0.05
_HEAD_BYTES = 65_536
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Exit codes: starting again is of no use, and it may be.
CANNOT_WORK, OUR_FAULT = 1, 70
_PR_SET_PDEATHSIG = 1
_UNAVAILABLE = b'{"error":"The server is being started; try again."}'
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_UNAVAILABLE), _UNAVAILABLE)
)


def listen(host: str, port: int, backlog: int = 1024) -> socket.socket:
    """Return a listening socket. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=backlog)
    listener.setblocking(False)
    return listener


class Supervisor:
    """Runs one worker after the other until it is told to stop."""

    def __init__(self, listener: socket.socket, work: Work) -> None:
        """`work` is run in a process of its own."""
        self._listener = listener
        self._work = work
        self._stopping = False
        self._worker = 0

    def run(self) -> int:
        """Return the exit code: 0 after SIGTERM, else that of a worker that cannot work."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        short_lives = 0
        while True:
            began = time.monotonic()
            code, listened = self._run_worker()
            if self._stopping:
                return 0
            if code == CANNOT_WORK or not listened:
                return max(code, CANNOT_WORK)
            short = time.monotonic() - began < _SHORT_LIFE_SECONDS
            short_lives = short_lives + 1 if short else 0
            if short_lives >= _MOST_SHORT_LIVES:
                print("The server ends again and again; giving up.", flush=True)
                return CANNOT_WORK
            print(f"The server ended ({_cause(code)}); starting it again.", flush=True)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._worker:
            os.kill(self._worker, signal.SIGTERM)

    def _run_worker(self) -> tuple[int, bool]:
        """Run a worker to its end; return its exit code (negative: a signal) and if it listened."""
        lifeline, writing = os.pipe()
        # A signal between the fork and the note of its number would stop nobody.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        parent = os.getpid()
        self._worker = os.fork()
        if self._worker == 0:
            os.close(lifeline)
            self._be_worker(writing, parent)
        os.close(writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        if self._stopping:
            os.kill(self._worker, signal.SIGTERM)
        listened = self._accompany(lifeline)
        os.close(lifeline)
        _, status = os.waitpid(self._worker, 0)
        self._worker = 0
        return os.waitstatus_to_exitcode(status), listened

    def _be_worker(self, lifeline: int, parent: int) -> None:
        code = CANNOT_WORK
        try:
            # Who kills this process kills the server: a worker left behind would hold the port.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                for each in _STOP_SIGNALS:
                    signal.signal(each, _leave)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
                code = self._work(self._listener, lambda: _tell(lifeline))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else CANNOT_WORK
        except BaseException:
            code = OUR_FAULT
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _accompany(self, lifeline: int) -> bool:
        """Return when the worker's end of the lifeline closes; tell whether it ever listened."""
        listened, kill_at = False, math.inf
        while True:
            if self._stopping and kill_at == math.inf:
                kill_at = time.monotonic() + _KILL_AFTER_SECONDS
                # Connections are refused now rather than left waiting.
                self._listener.close()
            if time.monotonic() > kill_at:
                os.kill(self._worker, signal.SIGKILL)
            watched: list[int | socket.socket] = (
                [lifeline] if listened or self._stopping else [lifeline, self._listener]
            )
            ready, _, _ = select.select(watched, [], [], _LOOK_EVERY_SECONDS)
            if lifeline in ready:
                if not os.read(lifeline, 1):
                    return listened
                listened = True
            elif ready:
                _refuse(self._listener)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # Before the server takes the signals over, and when it raises them again after its shutdown.
    raise SystemExit(0)


def _tell(lifeline: int) -> None:
    os.write(lifeline, b"L")


def _refuse(listener: socket.socket) -> None:
    try:
        client, _ = listener.accept()
    except OSError:
        return
    with client:
        client.settimeout(_PATIENCE_SECONDS)
        try:
            client.recv(_HEAD_BYTES)
            client.sendall(_ANSWER)
            client.shutdown(socket.SHUT_WR)
            # Closing on unread bytes would reset the connection before the answer was read.
            while client.recv(_HEAD_BYTES):
                pass
        except OSError:
            pass


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
