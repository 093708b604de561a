"""The endpoint's hours: by the clock of a time zone, whatever the season."""

from datetime import UTC, datetime

import pytest

from retraining.opening_hours import OpeningHours, OpeningHoursError


def hours(text: str = "MON-FRI 07:00-20:00", zone: str = "Europe/Berlin") -> OpeningHours:
    parsed = OpeningHours.parse(text, zone)
    assert parsed is not None
    return parsed


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_hours_the_endpoint_is_always_there() -> None:
    assert OpeningHours.parse("", "UTC") is None


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-30T05:59:59", False),  # Monday, 06:59:59 in Berlin
        ("2026-11-30T06:00:00", True),
        ("2026-11-30T18:59:59", True),
        ("2026-11-30T19:00:00", False),
        ("2026-12-05T12:00:00", False),  # Saturday
        ("2026-07-06T05:00:00", True),  # Monday, in summer 07:00
        ("2026-07-06T18:00:00", False),
    ],
)
def test_the_clock_of_the_time_zone_decides(moment: str, is_open: bool) -> None:
    assert hours().is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-30T03:00:00", "2026-11-30T06:00:00"),
        ("2026-11-30T19:00:00", "2026-12-01T06:00:00"),
        ("2026-12-04T20:00:00", "2026-12-07T06:00:00"),
        ("2026-11-30T06:00:00", "2026-12-01T06:00:00"),
    ],
)
def test_the_next_opening_is_found_over_nights_and_weekends(moment: str, opens: str) -> None:
    assert hours().next_opening(at(moment)) == at(opens)


def test_days_may_go_over_the_end_of_the_week() -> None:
    weekend = hours("SAT-MON 08:00-12:00", "UTC")
    assert weekend.days == {5, 6, 0}
    assert weekend.hours_a_week == 12
    assert hours("WED 08:00-12:30", "UTC").hours_a_week == 4.5


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("MON-FRI 20:00-07:00", "UTC"),
        ("MON-FRI 07:00-07:00", "UTC"),
        ("weekdays", "UTC"),
        ("MON-FRI 07:00-24:00", "UTC"),
        ("MON-FRI 07:00-20:00", "Berlin/Europe"),
    ],
)
def test_what_cannot_be_understood_is_told(text: str, zone: str) -> None:
    with pytest.raises(OpeningHoursError):
        OpeningHours.parse(text, zone)


def test_people_are_told_until_when_it_is_off() -> None:
    told = hours().sentence(at("2026-12-04T20:00:00"))
    assert told.startswith("The endpoint is off until Monday 07:00 (Europe/Berlin, 2026-12-07)")
