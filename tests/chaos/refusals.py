"""Answers of AWS that say no, as each service words them."""

from __future__ import annotations

import json
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto.core.botocore_stubber import MockRawResponse

_THROTTLED = {"s3": (503, "SlowDown"), "dynamodb": (400, "ThrottlingException")}
_BROKEN = {"s3": (500, "InternalError"), "dynamodb": (500, "InternalServerError")}
_AWAY = {"s3": (503, "ServiceUnavailable"), "dynamodb": (503, "ServiceUnavailable")}


def throttled(service: str, request: AWSPreparedRequest) -> AWSResponse:
    """Refuse because there are too many requests."""
    return _refusal(service, request, *_THROTTLED.get(service, (400, "ThrottlingException")))


def broken(service: str, request: AWSPreparedRequest) -> AWSResponse:
    """Fail inside the service."""
    return _refusal(service, request, *_BROKEN.get(service, (500, "InternalFailure")))


def unavailable(service: str, request: AWSPreparedRequest) -> AWSResponse:
    """Be away."""
    return _refusal(service, request, *_AWAY.get(service, (503, "ServiceUnavailable")))


def conflict(operation: str, request: AWSPreparedRequest) -> AWSResponse:
    """Refuse a write to DynamoDB because another one is going on."""
    if operation != "TransactWriteItems":
        return _refusal("dynamodb", request, 400, "TransactionConflictException")
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    return _refusal(
        "dynamodb", request, 400, "TransactionCanceledException", CancellationReasons=reasons
    )


def _refusal(
    service: str, request: AWSPreparedRequest, status: int, code: str, **more: Any
) -> AWSResponse:
    about = "It was done on purpose."
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{about}</Message></Error>"
        kind = "application/xml"
    else:
        body = json.dumps({"__type": code, "message": about, **more})
        kind = "application/x-amz-json-1.0"
    if request.method == "HEAD":
        body = ""
    headers: Any = {"content-type": kind, "x-amzn-requestid": "0"}
    return AWSResponse(request.url, status, headers, MockRawResponse(body))
