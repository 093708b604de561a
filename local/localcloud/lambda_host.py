"""Runs Lambda functions: finds or starts a sandbox, invokes it, keeps it for the next event."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
import time
import zipfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.build_store import BuildStore
from localcloud.context import CloudContext
from localcloud.lambda_logs import LambdaLog
from localcloud.lambda_sandbox import FunctionConfiguration, Outcome, Sandbox
from localcloud.untyped import Moto

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 300.0
_ACCOUNT_CONCURRENCY = 1000
# AWS waits one and two minutes; nothing here needs that long to recover.
_RETRY_DELAYS_SECONDS = (1.0, 2.0)
_THROTTLE_DELAY_SECONDS = 0.5


class ThrottledError(RuntimeError):
    """The function runs as often as its reserved concurrency allows."""


class MissingRuntimeError(RuntimeError):
    """The Lambda runtime's virtual environment is not there."""


class LambdaHost:
    """All sandboxes of a cloud."""

    def __init__(self, context: CloudContext) -> None:
        """Find the runtime; raises MissingRuntimeError when it was not set up."""
        self._context = context
        self._interpreter = context.repo / ".runtimes" / "lambda" / "bin" / "python"
        if not self._interpreter.exists():
            raise MissingRuntimeError(f"{self._interpreter} is missing: run `make setup`.")
        # Shared by all clouds of the repository: Python compiles each module only once.
        self._code = BuildStore(context.repo / ".cache" / "local-cloud" / "code")
        self._lock = threading.Lock()
        self._idle: dict[str, list[Sandbox]] = defaultdict(list)
        self._running: dict[str, int] = defaultdict(int)
        self._events = ThreadPoolExecutor(16, thread_name_prefix="lambda-events")

    def invoke(self, function: Moto, payload: bytes) -> Outcome:
        """Invoke a moto LambdaFunction with a JSON event and wait for the outcome.

        Raises ThrottledError when its concurrency is used up.
        """
        reserved = function.reserved_concurrency
        limit = _ACCOUNT_CONCURRENCY if reserved is None else int(reserved)
        configuration = _configuration(function)
        sandbox = self._acquire(configuration, limit)
        try:
            if sandbox is None:
                sandbox = self._start(configuration, function)
            return sandbox.invoke(payload)
        finally:
            self._release(configuration, sandbox)

    def invoke_later(self, function: Moto, payload: bytes) -> None:
        """Queue an asynchronous invocation; failed ones are tried twice more, as on AWS."""
        self._events.submit(self._invoke_event, function, payload, 0)

    def _invoke_event(self, function: Moto, payload: bytes, attempt: int) -> None:
        try:
            outcome = self.invoke(function, payload)
        except ThrottledError:
            self._later(_THROTTLE_DELAY_SECONDS, function, payload, attempt)
        except Exception:
            _LOG.exception("%s could not be run", function.function_name)
        else:
            if not outcome.is_error:
                return
            _LOG.warning("%s failed: %s", function.function_name, outcome.payload.decode())
            if attempt < len(_RETRY_DELAYS_SECONDS):
                self._later(_RETRY_DELAYS_SECONDS[attempt], function, payload, attempt + 1)

    def _later(self, delay: float, function: Moto, payload: bytes, attempt: int) -> None:
        timer = threading.Timer(
            delay, lambda: self._events.submit(self._invoke_event, function, payload, attempt)
        )
        timer.daemon = True
        timer.start()

    def _acquire(self, configuration: FunctionConfiguration, limit: int) -> Sandbox | None:
        """Count an invocation in and return an idle sandbox, or None when one must be started."""
        useless, found = [], None
        with self._lock:
            if self._running[configuration.arn] >= limit:
                raise ThrottledError(f"{configuration.name} runs {limit} times already.")
            self._running[configuration.arn] += 1
            idle = self._idle[configuration.arn]
            while idle and found is None:
                sandbox = idle.pop()
                is_current = sandbox.configuration == configuration and sandbox.is_alive
                if is_current:
                    found = sandbox
                else:
                    useless.append(sandbox)
            expired = time.monotonic() - _IDLE_SECONDS
            useless += [sandbox for sandbox in idle if sandbox.idle_since < expired]
            idle[:] = [sandbox for sandbox in idle if sandbox.idle_since >= expired]
        for sandbox in useless:
            sandbox.close()
        return found

    def _release(self, configuration: FunctionConfiguration, sandbox: Sandbox | None) -> None:
        is_alive = sandbox is not None and sandbox.is_alive
        with self._lock:
            self._running[configuration.arn] -= 1
            if is_alive and sandbox is not None:
                self._idle[configuration.arn].append(sandbox)
        if sandbox is not None and not is_alive:
            sandbox.close()

    def _start(self, configuration: FunctionConfiguration, function: Moto) -> Sandbox:
        context = self._context
        file = context.log_directory / f"lambda-{configuration.name}.log"
        log = LambdaLog(
            context.account_id,
            context.region,
            configuration.log_group,
            file,
            is_json=configuration.log_format == "JSON",
        )
        base = {
            **context.aws_environment(configuration.name),
            "HOME": os.environ.get("HOME", "/"),
        }
        return Sandbox(
            configuration,
            interpreter=self._interpreter,
            code=self._extracted(configuration.code_sha256, function.code_bytes),
            base_environment=base,
            log=log,
        )

    def _extracted(self, sha256: str, archive: bytes) -> Path:
        """Return a directory with the function's code; functions with equal code share it."""

        def extract(directory: Path) -> None:
            with zipfile.ZipFile(io.BytesIO(archive)) as file:
                file.extractall(directory)

        return self._code.get(sha256, extract)


def _configuration(function: Moto) -> FunctionConfiguration:
    logging_configuration = getattr(function, "logging_config", None) or {}
    variables = function.environment_vars or {}
    return FunctionConfiguration(
        name=function.function_name,
        arn=function.function_arn,
        handler=function.handler,
        code_sha256=_code_key(function),
        timeout_seconds=int(function.timeout),
        memory_megabytes=int(function.memory_size),
        region=function.region,
        log_group=logging_configuration.get("LogGroup") or f"/aws/lambda/{function.function_name}",
        log_format=logging_configuration.get("LogFormat") or "Text",
        environment=tuple(sorted((str(k), str(v)) for k, v in variables.items())),
    )


def _code_key(function: Moto) -> str:
    # moto's own digest is base64, which is no name for a directory.
    return hashlib.sha256(str(function.code_sha_256).encode()).hexdigest()[:32]
