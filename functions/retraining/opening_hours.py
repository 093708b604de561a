"""When the endpoint is to be there: always, or at certain hours of certain days. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DAY = "|".join(_DAYS)
_FORM = re.compile(
    rf"(?P<first>{_DAY})(-(?P<last>{_DAY}))? "
    r"(?P<on>([01]\d|2[0-3]):[0-5]\d)-(?P<off>([01]\d|2[0-3]):[0-5]\d)"
)
_WEEK = 7


class OpeningHoursError(ValueError):
    """The hours cannot be understood; the message is one sentence."""


@dataclass(frozen=True)
class OpeningHours:
    """From ``on`` until ``off`` on some days of the week (Monday is 0), in a time zone."""

    days: frozenset[int]
    on: time
    off: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: str) -> "OpeningHours | None":
        """Read ``MON-FRI 07:00-20:00``; None for an empty text, which means always.

        Raises OpeningHoursError for anything else, and for a time zone that is not known.
        """
        if not text:
            return None
        found = _FORM.fullmatch(text)
        if found is None:
            raise OpeningHoursError(f"{text!r} is not of the form MON-FRI 07:00-20:00.")
        on, off = time.fromisoformat(found["on"]), time.fromisoformat(found["off"])
        if not on < off:
            raise OpeningHoursError(f"{text!r} ends before it begins; give hours of one day.")
        first = _DAYS.index(found["first"])
        last = _DAYS.index(found["last"] or found["first"])
        days = frozenset((first + step) % _WEEK for step in range((last - first) % _WEEK + 1))
        try:
            return cls(days, on, off, ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise OpeningHoursError(f"There is no time zone {zone!r}.") from error

    def is_open(self, now: datetime) -> bool:
        """Tell whether the endpoint is to be there at an aware moment."""
        local = now.astimezone(self.zone)
        return local.weekday() in self.days and self.on <= local.time() < self.off

    def next_opening(self, now: datetime) -> datetime:
        """Tell when it is turned on next, in the hours' own time zone."""
        local = now.astimezone(self.zone)
        for ahead in range(_WEEK + 1):
            day = (local + timedelta(days=ahead)).date()
            begins = datetime.combine(day, self.on, self.zone)
            if day.weekday() in self.days and begins > now:
                return begins
        raise AssertionError("a week has one of its days")

    @property
    def hours_a_week(self) -> float:
        """How long it is there in a week."""
        minutes = (self.off.hour - self.on.hour) * 60 + self.off.minute - self.on.minute
        return len(self.days) * minutes / 60

    def sentence(self, now: datetime) -> str:
        """Tell people that it is off, and until when."""
        opening = self.next_opening(now)
        return (
            f"The endpoint is off until {opening:%A %H:%M} ({self.zone.key}, "
            f"{opening.date().isoformat()}); making it takes some minutes then."
        )
