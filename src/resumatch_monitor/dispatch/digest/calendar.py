"""The moments at which digests are due: a time of day where the receiver lives."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_LONGEST_SEARCH_DAYS = 9


@dataclass(frozen=True, slots=True)
class Calendar:
    """A moment every day, or every week.

    A local time that the clocks skip is due when they have skipped it; one that they show twice is
    due the first time.

    Attributes:
        at: The local time of day.
        zone: Where that is.
        weekday: 0 for Monday to 6 for Sunday; None for every day.
    """

    at: time
    zone: ZoneInfo
    weekday: int | None = None

    def latest(self, now: datetime) -> datetime:
        """Return the last moment at or before `now`, in UTC."""
        return next(moment for moment in self._walk(now, -_DAY) if moment <= now)

    def next(self, now: datetime) -> datetime:
        """Return the first moment after `now`, in UTC."""
        return next(moment for moment in self._walk(now, _DAY) if moment > now)

    def _walk(self, now: datetime, step: timedelta) -> Iterator[datetime]:
        # A day to the other side first: near midnight the moment may belong to the day beside.
        day = now.astimezone(self.zone).date() - step
        for _ in range(_LONGEST_SEARCH_DAYS + 1):
            if self.weekday is None or day.weekday() == self.weekday:
                yield self._on(day)
            day += step

    def _on(self, day: date) -> datetime:
        return datetime.combine(day, self.at, self.zone).astimezone(UTC)
