"""InvokeEndpoint.

moto answers with a constant and fails on bodies that are not UTF-8. AWS hands body, Content-Type,
Accept and custom attributes to the container's ``POST /invocations`` and returns what it answers;
a 4xx or 5xx of the container becomes a ModelError (424) that carries it, as does a container that
takes more than 60 seconds.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from localcloud.context import CloudContext
from localcloud.sagemaker_capture import Capture, Message
from localcloud.sagemaker_endpoints import Endpoints

_TIMEOUT_SECONDS = 60.0
_MAX_BODY_BYTES = 6_291_456
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_FORWARDED = ("Content-Type", "Accept", _CUSTOM_ATTRIBUTES)

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


class Runtime:
    """Hands invocations to the endpoints' servers."""

    def __init__(self, context: CloudContext, endpoints: Endpoints, capture: Capture) -> None:
        """Serve the endpoints of ``context``; ``capture`` keeps what they are to keep."""
        self._capture = capture
        self._context = context
        self._endpoints = endpoints

    def install(self) -> None:
        """Answer InvokeEndpoint; refuse InvokeEndpointAsync, which moto only pretends to do."""
        runtime = self

        def invoke_endpoint(response: _MotoResponse) -> HttpAnswer:
            name = response.path.split("/")[2]
            return runtime.invoke(name, response.headers, response.body)

        def invoke_endpoint_async(_: _MotoResponse) -> HttpAnswer:
            return _validation_error("The local cloud does not support asynchronous inference.")

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
                return _validation_error(
                    f"Endpoint {name} of account {self._context.account_id} not found."
                )
            answer = self._ask(server.port, headers, body)
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

    def _ask(self, port: int, headers: Mapping[str, str], body: bytes) -> _ContainerAnswer:
        forwarded = {name: headers[name] for name in _FORWARDED if name in headers}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
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
