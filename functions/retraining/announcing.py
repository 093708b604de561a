"""Announces the end of an execution: a message for people, an event and metrics for machines.

Each of the three is made by itself: one that fails keeps none of the others back, and a second
attempt makes only what is missing. A message is sent twice only if the function is killed between
SNS's answer and the note of it, or if the ledger cannot be read or written just then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from retraining.announcing_events import SOURCE, event_of
from retraining.announcing_facts import Facts
from retraining.announcing_gathering import gather
from retraining.announcing_metrics import measurements_of
from retraining.announcing_record import AnnouncingRecord
from retraining.announcing_request import Request
from retraining.announcing_text import compose
from retraining.metrics import Measurement
from retraining.observability import logger
from retraining.storage import Bucket

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

_LONGEST_ATTRIBUTE = 100
Publish = Callable[[Sequence[Measurement]], None]


class AnnouncingError(Exception):
    """A part of the announcement could not be made; the others were."""


@dataclass(frozen=True)
class Announcer:
    """Where announcements go; ``stack`` names the stack in all of them."""

    stack: str
    topic_arn: str
    bucket: Bucket
    topics: "SNSClient"
    events: "EventBridgeClient"
    record: AnnouncingRecord
    measure: Publish

    def announce(self, request: Request, now: datetime | None = None) -> tuple[str, ...]:
        """Announce the end of an execution; returns the parts that were made by this call.

        A deployment that is a step of a run sends no message: the run's own tells of it.
        Raises AnnouncingError when a part could not be made, after all others were tried.
        """
        facts = gather(request, self.bucket, now or datetime.now(UTC))
        parts: dict[str, Callable[[], None]] = {
            "message": lambda: self._send(facts),
            "event": lambda: self._put(facts),
            "metrics": lambda: self.measure(measurements_of(facts)),
        }
        if facts.part_of_run:
            del parts["message"]
        return self._make(request.identity, parts)

    def _make(self, identity: str, parts: Mapping[str, Callable[[], None]]) -> tuple[str, ...]:
        known, made, faults = self._made(identity), [], []
        for name, make in parts.items():
            if name in known:
                continue
            try:
                make()
            except (BotoCoreError, ClientError, AnnouncingError) as error:
                faults.append(f"{name}: {error}")
                continue
            made.append(name)
            self._note(identity, name)
        if faults:
            raise AnnouncingError(f"Not announced: {'; '.join(faults)}")
        return tuple(made)

    def _send(self, facts: Facts) -> None:
        message = compose(facts, self.stack)
        self.topics.publish(
            TopicArn=self.topic_arn,
            Subject=message.subject,
            Message=message.body,
            MessageAttributes={
                "outcome": {
                    "DataType": "String",
                    "StringValue": facts.outcome[:_LONGEST_ATTRIBUTE],
                },
                "machine": {"DataType": "String", "StringValue": facts.machine},
            },
        )

    def _put(self, facts: Facts) -> None:
        event = event_of(facts, self.stack)
        answer = self.events.put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": event.detail_type,
                    "Detail": event.detail,
                    "Resources": list(event.resources),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            refused = answer["Entries"][0]
            raise AnnouncingError(
                f"EventBridge refused it ({refused.get('ErrorCode')}: "
                f"{refused.get('ErrorMessage')})"
            )

    def _made(self, identity: str) -> frozenset[str]:
        try:
            return self.record.made(identity)
        except (BotoCoreError, ClientError) as error:
            # Told twice is better than not told.
            logger.warning("cannot read what was announced", extra={"error": str(error)})
            return frozenset()

    def _note(self, identity: str, part: str) -> None:
        try:
            self.record.note(identity, part)
        except (BotoCoreError, ClientError) as error:
            logger.warning("cannot note what was announced", extra={"error": str(error)})
