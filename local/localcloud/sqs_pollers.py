"""Repair: SQS queues as event sources of Lambda functions.

moto invokes the function inside SendMessage, one message at a time, ignores batch settings,
filters and reported failures, and deletes messages that failed. AWS polls: it gathers up to
BatchSize messages for at most the batching window, drops those that match no filter, invokes with
limited concurrency, deletes what succeeded (all but ``batchItemFailures`` where that is turned on)
and leaves the rest to become visible again, until the queue's redrive policy moves it away.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from moto.awslambda.models import LambdaBackend
from moto.core.exceptions import JsonRESTError
from moto.events.models import EventPattern
from moto.sqs.models import Queue

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.untyped import Client, Moto

_LOG = logging.getLogger(__name__)
_RECEIVE_AT_MOST = 10
_POLL_SECONDS = 1
# What AWS starts with for a standard queue.
_CONCURRENCY = 5


def install(context: CloudContext) -> None:
    """Poll for every event source mapping that is created from now on."""
    clients = Clients.of(context)
    pollers: dict[str, Poller] = {}

    def create(self: Moto, spec: dict[str, Any]) -> Moto:
        _require_long_visibility(self, spec, clients)
        mapping = original_create(self, spec)
        if mapping.event_source_arn.split(":")[2] == "sqs":
            pollers[mapping.uuid] = Poller(mapping, clients, context.region)
            pollers[mapping.uuid].start()
        return mapping

    def delete(self: Moto, uuid: str) -> Moto:
        poller = pollers.pop(uuid, None)
        if poller is not None:
            poller.stop()
        return original_delete(self, uuid)

    original_create = LambdaBackend.create_event_source_mapping
    original_delete = LambdaBackend.delete_event_source_mapping
    LambdaBackend.create_event_source_mapping = create
    LambdaBackend.delete_event_source_mapping = delete
    Queue.add_message = _without_push(Queue.add_message)


def _require_long_visibility(backend: Moto, spec: Mapping[str, Any], clients: Clients) -> None:
    """Refuse what AWS refuses: a message must not come again while its function still works."""
    if spec["EventSourceArn"].split(":")[2] != "sqs":
        return
    sqs = clients.get("sqs")
    url = sqs.get_queue_url(QueueName=spec["EventSourceArn"].rsplit(":", 1)[1])["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    visibility = int(answer["Attributes"]["VisibilityTimeout"])
    timeout = int(backend.get_function(spec["FunctionName"]).timeout)
    if visibility < timeout:
        raise JsonRESTError(
            "InvalidParameterValueException",
            f"Queue visibility timeout: {visibility} seconds is less than "
            f"Function timeout: {timeout} seconds",
        )


def failed_items(answer: bytes, message_ids: Sequence[str]) -> frozenset[str]:
    """Return which messages of a batch a function reported as failed.

    As on AWS, null and an empty list mean success, and an answer that names no known message or
    has another shape means that all failed.
    """
    everything = frozenset(message_ids)
    try:
        report = json.loads(answer or b"null")
        if not report or report.get("batchItemFailures") is None:
            return frozenset()
        reported = frozenset(item["itemIdentifier"] for item in report["batchItemFailures"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return everything
    return reported if reported <= everything else everything


class Poller:
    """Moves messages from one queue to one function."""

    def __init__(self, mapping: Moto, clients: Clients, region: str) -> None:
        """Read the mapping's settings; nothing is polled before ``start``."""
        self._mapping = mapping
        self._clients = clients
        self._region = region
        self._stopping = threading.Event()
        scaling = mapping.scaling_config or {}
        concurrency = int(scaling.get("MaximumConcurrency", _CONCURRENCY))
        self._free = threading.BoundedSemaphore(concurrency)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="sqs-batch")
        filters = (mapping.filter_criteria or {}).get("Filters") or []
        self._patterns = [EventPattern.load(item["Pattern"]) for item in filters]
        self._batch_size = int(mapping.batch_size)
        self._window = float(mapping.max_batch_window or 0)

    def start(self) -> None:
        """Poll in the background."""
        threading.Thread(target=self._run, name="sqs-poller", daemon=True).start()

    def stop(self) -> None:
        """Let batches under way finish and take no more."""
        self._stopping.set()

    def _run(self) -> None:
        sqs = self._clients.get("sqs")
        name = self._mapping.event_source_arn.rsplit(":", 1)[1]
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        while not self._stopping.is_set():
            self._free.acquire()
            batch: list[dict[str, Any]] = []
            try:
                batch = self._gather(sqs, url) if self._mapping.enabled else []
            except Exception:
                _LOG.exception("the queue %s could not be polled", name)
                self._stopping.wait(_POLL_SECONDS)
            if batch:
                self._pool.submit(self._process, sqs, url, batch)
            else:
                self._free.release()

    def _gather(self, sqs: Client, url: str) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        until: float | None = None
        while len(batch) < self._batch_size and not self._stopping.is_set():
            remaining = _POLL_SECONDS if until is None else until - time.monotonic()
            if remaining <= 0:
                break
            answer = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(_RECEIVE_AT_MOST, self._batch_size - len(batch)),
                WaitTimeSeconds=_POLL_SECONDS if remaining >= _POLL_SECONDS else 0,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            messages = [m for m in answer.get("Messages", []) if self._is_wanted(sqs, url, m)]
            batch += messages
            if not batch:
                break
            if until is None:
                until = time.monotonic() + self._window
            elif not messages and remaining < _POLL_SECONDS:
                time.sleep(max(0.0, min(0.1, remaining)))
        return batch

    def _is_wanted(self, sqs: Client, url: str, message: Mapping[str, Any]) -> bool:
        if not self._patterns:
            return True
        body: Any = message["Body"]
        with contextlib.suppress(ValueError):
            body = json.loads(body)
        if any(pattern.matches_event({"body": body}) for pattern in self._patterns):
            return True
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return False

    def _process(self, sqs: Client, url: str, batch: list[dict[str, Any]]) -> None:
        try:
            failed = self._invoke(batch)
            for message in batch:
                if message["MessageId"] not in failed:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if failed:
                _LOG.warning("%d of %d messages of %s failed", len(failed), len(batch), url)
        except Exception:
            _LOG.exception("a batch of %s could not be processed", url)
        finally:
            self._free.release()

    def _invoke(self, batch: list[dict[str, Any]]) -> frozenset[str]:
        mapping = self._mapping
        arn = mapping.event_source_arn
        event = {"Records": [sqs_record(message, arn, self._region) for message in batch]}
        answer = self._clients.get("lambda").invoke(
            FunctionName=mapping.function_arn, Payload=json.dumps(event).encode()
        )
        identifiers = [message["MessageId"] for message in batch]
        payload = answer["Payload"].read()
        if answer.get("FunctionError"):
            return frozenset(identifiers)
        if "ReportBatchItemFailures" in (mapping.function_response_types or []):
            return failed_items(payload, identifiers)
        return frozenset()


def sqs_record(message: Mapping[str, Any], arn: str, region: str) -> dict[str, Any]:
    """Return a received message as Lambda hands it to a function."""
    attributes = message.get("MessageAttributes") or {}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in attributes.items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }


def _without_push(original: Callable[..., None]) -> Callable[..., None]:
    def add_message(self: Moto, message: Moto) -> None:
        # The mappings are read after the message is queued; a queue of ours never pushes.
        self.lambda_event_source_mappings = {}
        original(self, message)

    return add_message
