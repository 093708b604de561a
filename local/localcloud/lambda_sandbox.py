"""One execution environment of a function: a process that runs AWS's own interface client."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from localcloud import processes
from localcloud.lambda_logs import LambdaLog, Report
from localcloud.lambda_runtime_api import Answer, Invocation, RuntimeApi

_INITIALISATION_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class FunctionConfiguration:
    """What a sandbox is made from; two equal ones can share sandboxes."""

    name: str
    arn: str
    handler: str
    code_sha256: str
    timeout_seconds: int
    memory_megabytes: int
    region: str
    log_group: str
    log_format: str
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """The result of an invocation as the Invoke API reports it."""

    payload: bytes
    is_error: bool
    log_tail: str


class Sandbox:
    """Runs invocations of one function, one at a time."""

    def __init__(
        self,
        configuration: FunctionConfiguration,
        *,
        interpreter: Path,
        code: Path,
        base_environment: Mapping[str, str],
        log: LambdaLog,
    ) -> None:
        """Start the process; it initialises while the first invocation waits."""
        self.configuration = configuration
        self.idle_since = time.monotonic()
        self._log = log
        self._api = RuntimeApi()
        self._born = time.monotonic()
        self._init_milliseconds: float | None = None
        self._child = processes.spawn(
            f"lambda {configuration.name}",
            [str(interpreter), "-m", "awslambdaric", configuration.handler],
            env={
                **base_environment,
                **dict(configuration.environment),
                **self._lambda_environment(code),
            },
            cwd=code,
            output=subprocess.PIPE,
        )
        self._pump = threading.Thread(target=self._copy_output, daemon=True)
        self._pump.start()

    @property
    def is_alive(self) -> bool:
        """Whether the process can take another invocation."""
        return self._child.poll() is None

    def invoke(self, payload: bytes) -> Outcome:
        """Run one event (JSON) through the handler and return what it answered."""
        configuration = self.configuration
        request_id = str(uuid.uuid4())
        self._log.start(request_id)
        is_cold = not self._api.is_initialised.is_set()
        failure = self._initialise() if is_cold else None
        started = time.monotonic()
        if failure is None:
            answer = self._run(request_id, payload)
        else:
            answer = Answer(failure, is_error=True)
        duration = (time.monotonic() - started) * 1000
        self._settle_output()
        self._log.report(
            Report(
                request_id,
                duration,
                configuration.memory_megabytes,
                self._init_milliseconds if is_cold else None,
            )
        )
        self.idle_since = time.monotonic()
        return Outcome(answer.payload, answer.is_error, self._log.tail())

    def close(self) -> None:
        """End the process and everything it started."""
        self._child.kill()
        self._api.close()
        self._pump.join(timeout=2)
        self._log.close()

    def _initialise(self) -> bytes | None:
        """Wait for the process to ask for its first event; return an error's JSON instead."""
        deadline = time.monotonic() + _INITIALISATION_SECONDS
        while not self._api.is_initialised.wait(_LOOK_EVERY_SECONDS):
            if not self.is_alive:
                return self._api.initialisation_error or _error(
                    "Runtime.ExitError", "Error: Runtime exited during initialisation"
                )
            if time.monotonic() > deadline:
                self._child.kill()
                return _error("Sandbox.Timedout", "Error: Initialisation timed out")
        self._init_milliseconds = (time.monotonic() - self._born) * 1000
        return None

    def _run(self, request_id: str, payload: bytes) -> Answer:
        configuration = self.configuration
        timeout = configuration.timeout_seconds
        invocation = Invocation(
            request_id=request_id,
            payload=payload,
            deadline_milliseconds=int((time.time() + timeout) * 1000),
            function_arn=configuration.arn,
            trace_id=f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
            f";Parent={secrets.token_hex(8)};Sampled=0",
        )
        deadline = time.monotonic() + timeout
        self._api.submit(invocation)
        while True:
            with contextlib.suppress(Empty):
                return invocation.answer.get(timeout=_LOOK_EVERY_SECONDS)
            if not self.is_alive:
                with contextlib.suppress(Empty):
                    return invocation.answer.get_nowait()
                return Answer(self._exit_error(request_id), is_error=True)
            if time.monotonic() > deadline:
                self._child.kill()
                message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f}"
                self._log.write(f"{message} seconds")
                return Answer(_error("Sandbox.Timedout", f"{message} seconds"), is_error=True)

    def _exit_error(self, request_id: str) -> bytes:
        code = self._child.poll() or 0
        how = f"exit status {code}" if code >= 0 else f"signal: {-code}"
        return _error(
            "Runtime.ExitError",
            f"RequestId: {request_id} Error: Runtime exited with error: {how}",
        )

    def _copy_output(self) -> None:
        if self._child.stdout is None:
            return
        for line in self._child.stdout:
            text = line.decode("utf-8", errors="replace").rstrip("\n")
            if text:
                with contextlib.suppress(ValueError):  # the log was closed
                    self._log.write(text)

    def _settle_output(self) -> None:
        """Let lines written before the answer reach the log before the report does."""
        if self.is_alive:
            time.sleep(0.002)
        else:
            self._pump.join(timeout=1)

    def _lambda_environment(self, code: Path) -> dict[str, str]:
        configuration = self.configuration
        return {
            "_HANDLER": configuration.handler,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_megabytes),
            "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": configuration.log_format,
            "AWS_LAMBDA_LOG_GROUP_NAME": self._log.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self._log.stream,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "LAMBDA_RUNTIME_DIR": str(code),
            "LAMBDA_TASK_ROOT": str(code),
            "LANG": "en_US.UTF-8",
            "PATH": os.defpath,
            "PYTHONPATH": str(code),
            "TZ": ":UTC",
        }


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
