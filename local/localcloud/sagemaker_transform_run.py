"""What a transform job does between CreateTransformJob and its last status.

AWS starts the model's container with ``SAGEMAKER_BATCH=true``, waits for ``/ping``, asks
``/execution-parameters`` for what the request leaves open, sends each object to ``/invocations``
and stores the answer under the object's path and ``.out``. An object that is refused, or that fails
as often as it may be tried, fails the job; the others are read all the same. moto does none of it.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.sagemaker_errors import JobInputError
from localcloud.sagemaker_logs import LogStream
from localcloud.sagemaker_models import ServedContainer
from localcloud.sagemaker_server import Server, ServerPlan
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_transfer import RemoteFile, Transfer
from localcloud.sagemaker_transform_job import TransformJob

MAX_PAYLOAD_MEGABYTES = 100

_MEGABYTE = 1024 * 1024
_STARTUP_SECONDS = 600.0
_DEFAULT_PAYLOAD_MEGABYTES = 6
_RETRY_SECONDS = 0.5
_LOG_GROUP = "/aws/sagemaker/TransformJobs"


@dataclass(frozen=True)
class _Limits:
    at_once: int
    payload_bytes: int


@dataclass(frozen=True)
class _Fault:
    """Why an object has no output; ``kind`` is AWS's word for whose fault it is."""

    kind: str
    message: str


class TransformRun:
    """Runs one transform job to its end."""

    def __init__(
        self,
        context: CloudContext,
        clients: Clients,
        transfer: Transfer,
        job: TransformJob,
        container: ServedContainer,
    ) -> None:
        """The job's directory is ``<home>/sagemaker/transform/<job>``."""
        self._context = context
        self._clients = clients
        self._transfer = transfer
        self._job = job
        self._container = container
        self._base = context.home / "sagemaker" / "transform" / job.name
        self._instance = f"i-{uuid.uuid4().hex[:17]}"
        self._data_log = threading.Lock()

    def execute(self) -> None:
        """Do everything; raises JobInputError for data or an image that cannot be used."""
        source = self._job.request["TransformInput"]["DataSource"]["S3DataSource"]
        files = self._transfer.resolve(source["S3Uri"], source["S3DataType"])
        if not files:
            raise JobInputError(f"No S3 objects found under {source['S3Uri']}")
        with self._serving() as server:
            self._job.note_start()
            with self._data_logging() as log:
                faults = list(self._transform(server, files, log))
        self._finish(faults)

    def _finish(self, faults: list[_Fault]) -> None:
        if self._job.stop.is_set():
            self._job.end("Stopped")
        elif faults:
            kinds = {fault.kind for fault in faults}
            kind = "AlgorithmError" if "AlgorithmError" in kinds else "ClientError"
            self._job.fail(f"{kind}: See job logs for more information")
        else:
            self._job.end("Completed")

    @contextmanager
    def _serving(self) -> Iterator[Server]:
        plan = ServerPlan(
            variant=self._job.name,
            container=dataclasses.replace(self._container, environment=self._environment()),
            directory=self._base,
            log_group=_LOG_GROUP,
            log_stream=f"{self._job.name}/{self._instance}",
            startup_seconds=_STARTUP_SECONDS,
            capture={},
        )
        server = Server(self._context, self._clients, self._transfer, plan)
        try:
            server.launch()
            if not server.wait_until_healthy():
                raise JobInputError(
                    "The container did not pass the ping health check. See job logs for more "
                    "information"
                )
            yield server
        finally:
            server.stop()

    def _environment(self) -> dict[str, str]:
        request = self._job.request
        told = {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms"),
            "SAGEMAKER_BATCH_STRATEGY": {
                "SingleRecord": "SINGLE_RECORD",
                "MultiRecord": "MULTI_RECORD",
            }.get(request.get("BatchStrategy", "")),
        }
        known = {name: str(value) for name, value in told.items() if value is not None}
        return {**self._container.environment, **request.get("Environment", {}), **known}

    def _transform(self, server: Server, files: list[RemoteFile], log: Path) -> Iterator[_Fault]:
        limits = self._limits(server)

        def transform(file: RemoteFile) -> _Fault | None:
            if self._job.stop.is_set():
                return None
            fault = self._transform_one(server, file, limits)
            if fault is not None:
                with self._data_log, log.open("a", encoding="utf-8") as lines:
                    name = f"{file.location.bucket}/{file.location.key}"
                    lines.write(f"{name}: {fault.kind}: {fault.message}\n")
            return fault

        with ThreadPoolExecutor(limits.at_once, thread_name_prefix="transform") as pool:
            yield from filter(None, pool.map(transform, files))

    def _limits(self, server: Server) -> _Limits:
        request = self._job.request
        asked = _execution_parameters(server.port)
        payload = (
            request.get("MaxPayloadInMB")
            or asked.get("MaxPayloadInMB")
            or _DEFAULT_PAYLOAD_MEGABYTES
        )
        at_once = (
            request.get("MaxConcurrentTransforms") or asked.get("MaxConcurrentTransforms") or 1
        )
        return _Limits(at_once, payload * _MEGABYTE)

    def _transform_one(self, server: Server, file: RemoteFile, limits: _Limits) -> _Fault | None:
        body = self._transfer.read(file.location)
        if len(body) > limits.payload_bytes:
            return _Fault("ClientError", "The object is larger than MaxPayloadInMB.")
        answer = self._ask(server, body)
        for _ in range(self._job.retries):
            if isinstance(answer, bytes) or answer.kind == "ClientError":
                break
            if self._job.stop.wait(_RETRY_SECONDS):
                break
            answer = self._ask(server, body)
        if isinstance(answer, _Fault):
            return answer
        output = S3Location.parse(self._job.request["TransformOutput"]["S3OutputPath"])
        self._transfer.put(output.child(f"{file.path}.out"), answer)
        return None

    def _ask(self, server: Server, body: bytes) -> bytes | _Fault:
        request = self._job.request
        headers = {
            "Content-Type": request["TransformInput"].get("ContentType"),
            "Accept": request["TransformOutput"].get("Accept"),
        }
        sent = {name: value for name, value in headers.items() if value is not None}
        try:
            status, answer = _http(
                server.port, "POST", "/invocations", body, sent, self._job.timeout_seconds
            )
        except (OSError, http.client.HTTPException) as error:
            return _Fault("AlgorithmError", f"Unable to get response from algorithm: {error!r}")
        if 200 <= status < 300:
            return answer
        kind = "ClientError" if 400 <= status < 500 else "AlgorithmError"
        return _Fault(kind, f"{status} {answer.decode('utf-8', 'replace')}")

    @contextmanager
    def _data_logging(self) -> Iterator[Path]:
        file = self._base / "data-log.txt"
        file.touch()
        stream = f"{self._job.name}/{self._instance}/data-log"
        log = LogStream(self._clients, file, _LOG_GROUP, stream)
        log.start()
        try:
            yield file
        finally:
            log.finish()


def _execution_parameters(port: int) -> Mapping[str, Any]:
    try:
        status, answer = _http(port, "GET", "/execution-parameters", b"", {}, 2.0)
        parameters = json.loads(answer) if status == 200 else {}
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    return parameters if isinstance(parameters, dict) else {}


def _http(
    port: int, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
