"""Repair: S3's events on EventBridge.

moto sends two or three events for one upload (a multipart upload is also a put and a tagging),
with constant sequencers, S3's *notification* spelling of the fields, and inside the request. AWS
sends one ``Object Created`` per put, copy or completed multipart upload, with ``etag``, a
sequencer that orders the events of a key, and the name of the API call as the reason.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from localcloud.context import CloudContext
from localcloud.eventbridge_bus import EventBus
from localcloud.untyped import Moto

_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
}
_TAGGING = "s3:ObjectTagging:Put"
_PUT = "s3:ObjectCreated:Put"

_held_back = threading.local()


class Sequencer:
    """Hands out hexadecimal numbers, each greater than the one before, of equal length."""

    def __init__(self) -> None:
        """Begin with the current time, so that numbers grow across restarts too."""
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        """Return the next number."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:016X}"


def install(context: CloudContext) -> None:
    """Send AWS's events and no others."""
    bus = EventBus.of(context)
    sequencer = Sequencer()
    original = notifications.send_event

    def send_event(account_id: str, event_name: Moto, bucket: Moto, key: Moto) -> None:
        if str(event_name.value) not in getattr(_held_back, "names", ()):
            original(account_id, event_name, bucket, key)

    def send_event_bridge_message(
        account_id: str,
        bucket: Moto,
        event_name: Moto,
        key: Moto,
    ) -> None:
        del account_id
        bus.emit(
            source="aws.s3",
            detail_type=notifications._detail_type(event_name),
            detail=_detail(context, bucket, str(event_name.value), key, sequencer.next()),
            resources=[bucket.arn],
        )

    notifications.send_event = send_event
    notifications._send_event_bridge_message = send_event_bridge_message
    S3Response.put_object = _without(S3Response.put_object, _TAGGING)
    S3Response.copy_object = _without(S3Response.copy_object, _TAGGING)
    S3Backend.complete_multipart_upload = _without(
        S3Backend.complete_multipart_upload, _PUT, _TAGGING
    )


def _detail(
    context: CloudContext,
    bucket: Moto,
    event_name: str,
    key: Moto,
    sequencer: str,
) -> dict[str, Any]:
    described = {
        "key": key.name,
        "size": key.size,
        "etag": key.etag.replace('"', ""),
        "sequencer": sequencer,
    }
    if bucket.is_versioned:
        described["version-id"] = key.version_id
    return {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": described,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": context.account_id,
        "source-ip-address": "127.0.0.1",
        "reason": _REASONS.get(event_name, event_name.rsplit(":", 1)[-1]),
    }


def _without(original: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """Return ``original`` with the events of these names held back while it runs."""

    def call(*arguments: Moto, **named: Moto) -> Moto:
        with _holding_back(names):
            return original(*arguments, **named)

    return call


@contextlib.contextmanager
def _holding_back(names: tuple[str, ...]) -> Iterator[None]:
    before = getattr(_held_back, "names", ())
    _held_back.names = (*before, *names)
    try:
        yield
    finally:
        _held_back.names = before
