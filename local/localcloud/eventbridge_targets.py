"""Repair: EventBridge rules and their targets.

moto delivers to few targets (no Lambda, no Step Functions), inside the caller's request; a failing
target drops the rules after it; a schedule's rule, which has no pattern, matches every event. AWS
delivers each rule's events on their own, retries with back-off up to the target's limits, and then
gives up to the target's dead-letter queue.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.eventbridge_input import target_input
from localcloud.timestamps import iso_seconds, now
from localcloud.untyped import Moto

_LOG = logging.getLogger(__name__)
_DEFAULT_ATTEMPTS = 185
_DEFAULT_AGE_SECONDS = 86400
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 60.0


@dataclass(frozen=True)
class _Delivery:
    rule: str
    target: Mapping[str, Any]
    body: str
    born: float = field(default_factory=time.monotonic)


def install(context: CloudContext) -> None:
    """Deliver every matched event in the background."""
    deliveries = _Deliveries(Clients.of(context))

    def send_to_targets(
        self: Moto,
        original_event: Mapping[str, Any],
        transform_input: bool = True,
    ) -> None:
        del transform_input
        pattern = self.event_pattern
        if self.state != "ENABLED" or not pattern.get_pattern():
            return
        event = as_delivered(original_event)
        if pattern.matches_event(event):
            deliveries.send(self, event)

    Rule.send_to_targets = send_to_targets
    Rule.send_scheduled = lambda self, event: deliveries.send(self, event)


def as_delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event with the fields and the time format that targets receive."""
    moment = event.get("time")
    if isinstance(moment, int | float) or (isinstance(moment, str) and _is_number(moment)):
        moment = iso_seconds(datetime.fromtimestamp(float(moment), UTC))
    return {
        "version": "0",
        "id": event.get("id") or str(uuid.uuid4()),
        "detail-type": event["detail-type"],
        "source": event["source"],
        "account": event["account"],
        "time": moment or iso_seconds(now()),
        "region": event["region"],
        "resources": event.get("resources", []),
        "detail": event["detail"],
    }


class _Deliveries:
    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="eventbridge")

    def send(self, rule: Moto, event: Mapping[str, Any]) -> None:
        for target in list(rule.targets):
            delivery = _Delivery(rule.name, dict(target), target_input(target, event))
            self._pool.submit(self._attempt, delivery, 0)

    def _attempt(self, delivery: _Delivery, attempt: int) -> None:
        try:
            self._deliver(delivery.target["Arn"], delivery.body, delivery.target)
        except Exception as error:
            self._retry(delivery, attempt, error)

    def _retry(self, delivery: _Delivery, attempt: int, error: Exception) -> None:
        policy = delivery.target.get("RetryPolicy") or {}
        attempts = int(policy.get("MaximumRetryAttempts", _DEFAULT_ATTEMPTS))
        oldest = float(policy.get("MaximumEventAgeInSeconds", _DEFAULT_AGE_SECONDS))
        delay = min(_FIRST_DELAY_SECONDS * 2**attempt, _LONGEST_DELAY_SECONDS)
        age = time.monotonic() - delivery.born
        if attempt < attempts and age + delay < oldest:
            _LOG.info("rule %s: attempt %d failed: %s", delivery.rule, attempt + 1, error)
            timer = threading.Timer(
                delay, lambda: self._pool.submit(self._attempt, delivery, attempt + 1)
            )
            timer.daemon = True
            timer.start()
            return
        _LOG.error("rule %s: %s gave up: %s", delivery.rule, delivery.target["Arn"], error)
        queue = (delivery.target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            self._send_to_queue(queue, delivery.body, {})

    def _deliver(self, arn: str, body: str, target: Mapping[str, Any]) -> None:
        service = arn.split(":")[2]
        if service == "lambda":
            self._clients.get("lambda").invoke(
                FunctionName=arn, InvocationType="Event", Payload=body.encode()
            )
        elif service == "states":
            self._clients.get("stepfunctions").start_execution(stateMachineArn=arn, input=body)
        elif service == "sqs":
            self._send_to_queue(arn, body, target.get("SqsParameters") or {})
        elif service == "sns":
            self._clients.get("sns").publish(TopicArn=arn, Message=body)
        else:
            raise NotImplementedError(f"The local cloud delivers no events to {arn}.")

    def _send_to_queue(self, arn: str, body: str, parameters: Mapping[str, Any]) -> None:
        sqs = self._clients.get("sqs")
        url = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body, **parameters)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
