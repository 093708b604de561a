"""InvokeEndpoint and InvokeEndpointAsync.

moto answers with a constant and fails on bodies that are not UTF-8. AWS hands body, Content-Type,
Accept and custom attributes to the container's ``POST /invocations`` and returns what it answers;
a 4xx or 5xx of the container becomes a ModelError (424) that carries it, as does a container that
takes more than 60 seconds.

A request to an asynchronous endpoint lies in S3, is answered at once with where its answer will
lie, and waits for its turn. One server answers all the time here: there are no instances to wait
for, and no notifications.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from localcloud.context import CloudContext
from localcloud.sagemaker_capture import Capture, Message
from localcloud.sagemaker_endpoints import Endpoints
from localcloud.sagemaker_errors import JobInputError
from localcloud.sagemaker_storage import S3Location
from localcloud.sagemaker_transfer import Transfer

_log = logging.getLogger(__name__)
_ASYNC_SECONDS = 900.0
_TIMEOUT_SECONDS = 60.0
_MAX_BODY_BYTES = 6_291_456
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_FORWARDED = ("Content-Type", "Accept", _CUSTOM_ATTRIBUTES)

_ASYNC_FORWARDED = (
    ("X-Amzn-SageMaker-Content-Type", "Content-Type"),
    ("X-Amzn-SageMaker-Accept", "Accept"),
    (_CUSTOM_ATTRIBUTES, _CUSTOM_ATTRIBUTES),
)

HttpAnswer = tuple[int, dict[str, str], bytes]


class _MotoResponse(Protocol):
    body: bytes
    headers: Mapping[str, str]
    path: str


@dataclass(frozen=True)
class _ContainerAnswer:
    """``headers`` has lower-case names; ``status`` 0 means there was no answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _AsyncRequest:
    endpoint: str
    source: str
    output: str
    failure: str
    headers: Mapping[str, str]
    seconds: float


class Runtime:
    """Hands invocations to the endpoints' servers."""

    def __init__(
        self, context: CloudContext, endpoints: Endpoints, capture: Capture, transfer: Transfer
    ) -> None:
        """Serve the endpoints of ``context``; ``capture`` keeps what they are to keep."""
        self._transfer = transfer
        self._pools: dict[tuple[str, int], ThreadPoolExecutor] = {}
        self._lock = threading.Lock()
        self._capture = capture
        self._context = context
        self._endpoints = endpoints

    def install(self) -> None:
        """Answer InvokeEndpoint and InvokeEndpointAsync, which moto only pretends to do."""
        runtime = self

        def invoke_endpoint(response: _MotoResponse) -> HttpAnswer:
            name = response.path.split("/")[2]
            return runtime.invoke(name, response.headers, response.body)

        def invoke_endpoint_async(response: _MotoResponse) -> HttpAnswer:
            name = response.path.split("/")[2]
            return runtime.invoke_async(name, response.headers)

        SageMakerRuntimeResponse.invoke_endpoint = invoke_endpoint
        SageMakerRuntimeResponse.invoke_endpoint_async = invoke_endpoint_async
        # Images are no UTF-8, and no request body is to be unzipped on the way.
        SageMakerRuntimeResponse.use_raw_body = True

    def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Return status, headers and body of the API's answer."""
        if len(body) > _MAX_BODY_BYTES:
            message = f"HTTP content length exceeded {_MAX_BODY_BYTES} bytes."
            return _answer(413, "413", {"Message": message})
        with self._endpoints.borrow_server(name) as server:
            if server is None:
                return self._not_found(name)
            if self._endpoints.async_config(name) is not None:
                return _validation_error(
                    f"Endpoint {name} is an asynchronous endpoint: use InvokeEndpointAsync."
                )
            answer = _ask(server.port, headers, body, _TIMEOUT_SECONDS)
        if not 200 <= answer.status < 300:
            return self._model_error(name, answer)
        answered = {
            "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": server.plan.variant,
        }
        self._capture.keep(
            server.plan.capture,
            name,
            server.plan.variant,
            Message(headers.get("Content-Type", "application/octet-stream"), body),
            Message(answered["Content-Type"], answer.body),
        )
        attributes = answer.headers.get(_CUSTOM_ATTRIBUTES.lower())
        if attributes is not None:
            answered[_CUSTOM_ATTRIBUTES] = attributes
        return 200, answered, answer.body

    def invoke_async(self, name: str, headers: Mapping[str, str]) -> HttpAnswer:
        """Take a request whose body lies in S3, as will its answer, or why there is none."""
        config = self._endpoints.async_config(name)
        if config is None:
            return self._not_found(name)
        output = config["OutputConfig"]
        inference = headers.get("X-Amzn-SageMaker-Inference-Id") or str(uuid.uuid4())
        name_of_answer = uuid.uuid4().hex
        place = f"{output['S3OutputPath'].rstrip('/')}/{name_of_answer}.out"
        failures = output.get("S3FailurePath", output["S3OutputPath"]).rstrip("/")
        request = _AsyncRequest(
            endpoint=name,
            source=headers.get("X-Amzn-SageMaker-InputLocation", ""),
            output=place,
            failure=f"{failures}/{name_of_answer}-error.out",
            headers={theirs: headers[ours] for ours, theirs in _ASYNC_FORWARDED if ours in headers},
            seconds=float(headers.get("X-Amzn-SageMaker-InvocationTimeoutSeconds", _ASYNC_SECONDS)),
        )
        most = config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", 1)
        with self._lock:
            pool = self._pools.setdefault(
                (name, most), ThreadPoolExecutor(most, thread_name_prefix=f"async {name}")
            )
        pool.submit(self._answer_async, request)
        told = {
            "Content-Type": "application/json",
            "X-Amzn-SageMaker-OutputLocation": request.output,
            "X-Amzn-SageMaker-FailureLocation": request.failure,
        }
        return 202, told, json.dumps({"InferenceId": inference}).encode()

    def _answer_async(self, request: _AsyncRequest) -> None:
        try:
            body = self._transfer.read(S3Location.parse(request.source))
            with self._endpoints.borrow_server(request.endpoint) as server:
                if server is None:
                    raise JobInputError(f"Endpoint {request.endpoint} is gone.")
                answer = _ask(server.port, request.headers, body, request.seconds)
        except JobInputError as error:
            answer = _ContainerAnswer(0, {}, str(error).encode())
        is_good = 200 <= answer.status < 300
        told = answer.body if is_good else _failure(answer).encode()
        try:
            self._transfer.put(
                S3Location.parse(request.output if is_good else request.failure), told
            )
        except JobInputError:
            _log.exception("The answer of %s cannot be stored.", request.endpoint)

    def _not_found(self, name: str) -> HttpAnswer:
        return _validation_error(
            f"Endpoint {name} of account {self._context.account_id} not found."
        )

    def _model_error(self, name: str, answer: _ContainerAnswer) -> HttpAnswer:
        text = answer.body.decode("utf-8", "replace")
        side = "client" if 400 <= answer.status < 500 else "server"
        region, account = self._context.region, self._context.account_id
        group = f"/aws/sagemaker/Endpoints/{name}"
        message = (
            f'Received {side} error ({answer.status}) from primary with message "{text}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information."
        )
        return _answer(
            424,
            "ModelError",
            {
                "Message": message,
                "OriginalStatusCode": answer.status,
                "OriginalMessage": text,
                "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
            },
        )


def _ask(port: int, headers: Mapping[str, str], body: bytes, seconds: float) -> _ContainerAnswer:
    forwarded = {name: headers[name] for name in _FORWARDED if name in headers}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("POST", "/invocations", body=body, headers=forwarded)
        answer = connection.getresponse()
        lowered = {key.lower(): value for key, value in answer.getheaders()}
        return _ContainerAnswer(answer.status, lowered, answer.read())
    except TimeoutError:
        return _ContainerAnswer(0, {}, _TIMED_OUT.encode())
    except (OSError, http.client.HTTPException) as error:
        return _ContainerAnswer(0, {}, f"The container did not answer: {error!r}".encode())
    finally:
        connection.close()


def _failure(answer: _ContainerAnswer) -> str:
    text = answer.body.decode("utf-8", "replace")
    side = "client" if 400 <= answer.status < 500 else "server"
    return f'Received {side} error ({answer.status}) from primary with message "{text}".'


_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


def _validation_error(message: str) -> HttpAnswer:
    return _answer(400, "ValidationError", {"Message": message})


def _answer(status: int, code: str, document: Mapping[str, object]) -> HttpAnswer:
    headers = {
        "status": str(status),
        "Content-Type": "application/json",
        "x-amzn-ErrorType": code,
    }
    return status, headers, json.dumps(document).encode()
