"""Takes S3's announcements of new objects into the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import BaseModel, ConfigDict, Field

from retraining import s3_layout
from retraining.ledger import Ledger
from retraining.ledger_items import Seen
from retraining.s3_layout import LabelUpload
from retraining.storage import Bucket, StoredObject
from retraining.texts import shortened

_LONGEST_REASON = 400

_Text = Annotated[str, Field(min_length=1)]


class _Bucket(BaseModel):
    name: _Text


class _Object(BaseModel):
    key: _Text
    sequencer: str = ""


class _Detail(BaseModel):
    bucket: _Bucket
    object: _Object


class ObjectCreated(BaseModel):
    """The parts of EventBridge's "Object Created" event that matter here."""

    model_config = ConfigDict(extra="ignore")

    detail_type: Annotated[str, Field(alias="detail-type")]
    detail: _Detail


@dataclass
class Arrivals:
    """Takes a batch of announcements in and tells the log what was done with each.

    ``golden`` tells whether golden sets were among them.
    """

    bucket: Bucket
    ledger: Ledger
    log: Callable[..., None]
    golden: bool = False

    def take_in(self, record: SQSRecord) -> None:
        """Take in one message.

        Raises ValidationError for what is no event, and what AWS raises. The queue brings it again,
        and puts it among the dead letters in the end; the log is the only place that says why.
        """
        try:
            self._take_in(record)
        except Exception as error:
            why = shortened(f"{type(error).__name__}: {error}", _LONGEST_REASON)
            body = shortened(record.body, _LONGEST_REASON)
            about = {"message_id": record.message_id, "why": why, "body": body}
            self.log("announcement cannot be taken in", extra=about)
            raise

    def _take_in(self, record: SQSRecord) -> None:
        # Golden sets are only noted: however many of their files arrive, one look at them will do.
        event = ObjectCreated.model_validate_json(record.body)
        key, done = event.detail.object.key, "golden sets will be looked at"
        if key.startswith(s3_layout.GOLDEN):
            self.golden = True
        else:
            done = record_arrival(event, self.bucket, self.ledger, datetime.now(UTC))
        self.log("upload announced", extra={"key": key, "done": done})


def record_arrival(event: ObjectCreated, bucket: Bucket, ledger: Ledger, now: datetime) -> str:
    """Record the label file or archive an event announces; say in one phrase what was done.

    The event is taken as a hint only: the object is looked up, so that late, repeated and
    out-of-order events record what lies in the bucket now.
    """
    if event.detail_type != "Object Created" or event.detail.bucket.name != bucket.name:
        return "ignored: not a new object of our bucket"
    key = event.detail.object.key
    if not any(map(s3_layout.label_upload, (key, unquote_plus(key)))):
        return "ignored: no label file or archive of a drop"
    found = _find(key, bucket)
    upload = s3_layout.label_upload(found.key) if found else None
    if found is None or upload is None:
        return "ignored: the file has been deleted since"
    seen = found_upload(upload, found, event.detail.object.sequencer)
    pending = ledger.record_upload(seen, now)
    return "recorded" if pending else "ignored: this or a later version is known already"


def found_upload(upload: LabelUpload, found: StoredObject, sequencer: str = "") -> Seen:
    """Describe a label file or archive as it lies in the bucket."""
    return Seen(
        dataset=upload.dataset,
        relative=upload.relative,
        etag=found.etag,
        sequencer=sequencer,
        size=found.size,
        version_id=found.version_id,
    )


def _find(key: str, bucket: Bucket) -> StoredObject | None:
    found = bucket.head(key)
    # EventBridge gives keys as they are, S3's own notifications give them URL-encoded. Which one
    # this is can only be told by looking: both "a+b.txt" and "a b.txt" are good names.
    decoded = unquote_plus(key)
    return found if found or decoded == key else bucket.head(decoded)
