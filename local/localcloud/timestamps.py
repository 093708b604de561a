"""The ways in which AWS writes a moment."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_milliseconds(moment: datetime) -> str:
    """Return ``2024-05-01T12:00:00.123Z``, as Step Functions writes it."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def iso_seconds(moment: datetime) -> str:
    """Return ``2024-05-01T12:00:00Z``, as EventBridge writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch_milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970, as service integrations write it."""
    return round(moment.timestamp() * 1000)


def now() -> datetime:
    """Return the current moment, aware of its time zone."""
    return datetime.now(UTC)
