"""Repair: the Lambda Invoke API.

moto runs functions in Docker containers, or not at all; ``Event`` invocations run before they are
acknowledged and are never retried; a function's LoggingConfig is dropped. Here each function runs
in real processes, asynchronous invocations are queued and tried up to three times, and throttling
by reserved concurrency is answered as AWS does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from moto.awslambda import models as moto_models
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse

from localcloud.context import CloudContext
from localcloud.lambda_host import LambdaHost, ThrottledError
from localcloud.untyped import Json, Moto

_Response = tuple[int, dict[str, str], str | bytes]


def install(context: CloudContext) -> None:
    """Run functions in processes."""
    host = LambdaHost(context)

    def invoke_directly(self: Moto, event: Json = None) -> tuple[str, bool, str]:
        payload = event if isinstance(event, str) else json.dumps(event or {})
        outcome = host.invoke(self, payload.encode())
        return outcome.payload.decode(), outcome.is_error, outcome.log_tail

    LambdaFunction._invoke_lambda = invoke_directly
    LambdaResponse.invoke = _invoking(host)
    LambdaBackend.create_function = _keeping_logging(LambdaBackend.create_function)
    moto_models._s3_content = _once_per_object(moto_models._s3_content)


def _invoking(host: LambdaHost) -> Callable[[Any], _Response]:
    def invoke(self: Moto) -> _Response:
        name = unquote(self.path.rsplit("/", 2)[-2])
        function = self.backend.get_function(name, self._get_param("qualifier"))
        body = self.body.encode() if isinstance(self.body, str) else self.body
        payload = body or b"{}"
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if not _is_json(payload):
            return _refusal(400, "InvalidRequestContentException", "The payload is not JSON.")
        if kind == "DryRun":
            return 204, {"status": "204"}, b""
        if kind == "Event":
            host.invoke_later(function, payload)
            return 202, {"status": "202"}, b""
        return _invoke_now(host, function, payload, self.headers.get("X-Amz-Log-Type"))

    return invoke


def _invoke_now(
    host: LambdaHost,
    function: Moto,
    payload: bytes,
    log_type: str | None,
) -> _Response:
    try:
        outcome = host.invoke(function, payload)
    except ThrottledError:
        return _refusal(429, "TooManyRequestsException", "Rate Exceeded.")
    headers = {"content-type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
    if outcome.is_error:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if log_type == "Tail":
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail.encode()).decode()
    return 200, headers, outcome.payload


def _refusal(status: int, code: str, message: str) -> _Response:
    headers = {"status": str(status), "x-amzn-ErrorType": code, "content-type": "application/json"}
    return status, headers, json.dumps({"Type": "User", "message": message})


def _keeping_logging(original: Callable[..., Any]) -> Callable[..., Any]:
    def create_function(self: Moto, spec: dict[str, Any]) -> Moto:
        function = original(self, spec)
        function.logging_config = spec.get("LoggingConfig")
        return function

    return create_function


def _once_per_object(original: Callable[[Moto], Moto]) -> Callable[[Moto], Moto]:
    """Read and hash an archive once: functions built from one source share tens of megabytes."""
    known: dict[tuple[str, str, str, str], Moto] = {}

    def content(key: Moto) -> Moto:
        version = (key.bucket_name, key.name, str(key.version_id), key.etag)
        if version not in known:
            known[version] = original(key)
        return known[version]

    return content


def _is_json(payload: bytes) -> bool:
    try:
        json.loads(payload)
    except ValueError:
        return False
    return True
