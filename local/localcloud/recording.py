"""What callers asked of this cloud, written down: one folder with three files.

``calls.jsonl`` has one request per line with who sent it, ``executions.jsonl`` one ended execution
with its history, ``stack.json`` the parameters and the physical names of the stack's resources.
Requests are told apart by their access key id: each function has one of its own, and what SageMaker
itself would read and write for a job or an endpoint is noted by who transfers it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import BaseResponse
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.s3.responses import S3Response
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from werkzeug.exceptions import NotFound

from localcloud.clients import OWN_CALLS, Clients
from localcloud.untyped import Json, Moto

CALLS = "calls.jsonl"
EXECUTIONS = "executions.jsonl"
STACK = "stack.json"
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
_LONGEST_TEXT = 300
_MOST_ITEMS = 40


class Recording:
    """Writes to a folder; safe to be used by many threads."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing: what lies in ``folder`` is written over."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._calls: TextIO = (folder / CALLS).open("w", encoding="utf-8")
        self._executions: TextIO = (folder / EXECUTIONS).open("w", encoding="utf-8")

    def install(self) -> None:
        """Note every request that arrives from now on, and every execution that ends."""
        BaseResponse.setup_class = self._noting(BaseResponse.setup_class)
        BaseExecutionWorkerCommunication.terminated = self._keeping(
            BaseExecutionWorkerCommunication.terminated
        )

    def note(
        self, caller: str, service: str, operation: str, parameters: Mapping[str, Any]
    ) -> None:
        """Write down one call by its botocore service and operation names."""
        call = {
            "caller": caller,
            "service": service,
            "operation": operation,
            "parameters": _shortened(parameters),
        }
        self._write(self._calls, call)

    def keep_stack(self, name: str, parameters: Mapping[str, str], clients: Clients) -> None:
        """Write down what the stack's resources are called."""
        pages = clients.get("cloudformation").get_paginator("list_stack_resources")
        resources = {
            summary["LogicalResourceId"]: summary["PhysicalResourceId"]
            for page in pages.paginate(StackName=name)
            for summary in page["StackResourceSummaries"]
            if summary.get("PhysicalResourceId")
        }
        document = {"parameters": dict(parameters), "resources": resources}
        text = json.dumps(document, indent=1, sort_keys=True)
        (self._folder / STACK).write_text(text, encoding="utf-8")

    def _noting(self, original: Callable[..., None]) -> Callable[..., None]:
        def setup_class(response: Moto, request: Moto, *args: Moto, **kwargs: Moto) -> None:
            original(response, request, *args, **kwargs)
            found = _ACCESS_KEY.search(request.headers.get("Authorization", ""))
            if found is None or found.group(1) == OWN_CALLS:
                return
            asked = _asked(response)
            if asked is not None:
                self.note(found.group(1), *asked)

        return setup_class

    def _keeping(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def terminated(worker: Moto) -> None:
            original(worker)
            execution = worker.execution
            self._write(
                self._executions,
                {
                    "execution": execution.exec_arn,
                    "machine": execution.state_machine_arn,
                    "status": execution.status,
                    "input": execution.execution_input,
                    "output": execution.output,
                    "history": execution.to_history_output()["events"],
                },
            )

        return terminated

    def _write(self, file: TextIO, document: Json) -> None:
        line = json.dumps(document, default=str, separators=(",", ":"))
        with self._lock:
            file.write(f"{line}\n")
            # The process ends without a last chance to do so.
            file.flush()


def _asked(response: Moto) -> tuple[str, str, Json] | None:
    """Return service, operation and parameters of a request; None when it names no operation."""
    service, request = response.boto3_service_name, response.normalized_request
    try:
        operation, in_path = get_service_router(service).match(request)
    except (NotFound, NotImplementedError):
        return None
    if isinstance(response, S3Response):
        # Bodies are the callers' data; what is asked for is in the path and the query.
        return service, operation.name, {**request.args.to_dict(), **in_path}
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    parsed = PROTOCOL_PARSERS[protocol](operation).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": in_path,
        }
    )
    return service, operation.name, parsed


def _shortened(value: Json) -> Json:
    """Return the value without what is long: names are short, and data is nobody's business."""
    if isinstance(value, Mapping):
        return {str(key): _shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value[:_MOST_ITEMS]]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}..."
    return value
