"""When a job is to run: Sentry's two kinds of schedules, right over changes of the clocks."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

UNITS = ("minute", "hour", "day", "week", "month", "year")
_FIELDS = 5
_LONGEST_EXPRESSION = 200
_LONGEST_ZONE = 64
_MOST_UNITS = 10_000
_FURTHEST = timedelta(days=366 * 30)
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


class ScheduleError(Exception):
    """The schedule cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A crontab expression in a time zone, or an interval since the last run.

    Attributes:
        crontab: Five fields; empty for an interval.
        count: How many units an interval is long; 0 for a crontab.
        unit: One of `UNITS`.
        zone: An IANA name.
    """

    crontab: str = ""
    count: int = 0
    unit: str = ""
    zone: str = "UTC"

    @property
    def text(self) -> str:
        """The schedule for people."""
        if self.crontab:
            return f"{self.crontab} ({self.zone})"
        return f"every {self.count} {self.unit}s" if self.count > 1 else f"every {self.unit}"

    def next(self, after: datetime) -> datetime | None:
        """Return when the job is to begin next, later than `after`; None if in no lifetime.

        As Debian's cron has it, a moment that the clocks leave out in spring is made up for right
        after, and one that they show twice in autumn comes once.
        """
        try:
            following = self._find_next(after)
        except (OverflowError, ValueError):
            return None
        return None if following is None or following - after > _FURTHEST else following

    def _find_next(self, after: datetime) -> datetime | None:
        zone = ZoneInfo(self.zone)
        if not self.crontab:
            if self.unit in _LENGTHS:
                return after + self.count * _LENGTHS[self.unit]
            months = self.count * (12 if self.unit == "year" else 1)
            return _add_months(after.astimezone(zone), months).astimezone(UTC)
        try:
            return next(CronSim(self.crontab, after.astimezone(zone))).astimezone(UTC)
        except StopIteration:
            return None


def read_crontab(expression: str, zone: str) -> Schedule:
    """Return the schedule of a crontab expression.

    Raises:
        ScheduleError: If it is not five fields that cron would take, or the zone is unknown.
    """
    text = " ".join(expression[: _LONGEST_EXPRESSION + 1].split())
    text = _ALIASES.get(text.lower(), text)
    if len(text) > _LONGEST_EXPRESSION or len(text.split()) != _FIELDS:
        raise ScheduleError("the crontab expression does not have five fields")
    _check(lambda: CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)), CronSimError)
    return Schedule(crontab=text, zone=_read_zone(zone))


def read_interval(count: int, unit: str, zone: str) -> Schedule:
    """Return the schedule of an interval.

    Raises:
        ScheduleError: If the interval is none, or the zone is unknown.
    """
    if unit not in UNITS or not 0 < count <= _MOST_UNITS:
        raise ScheduleError(f"an interval is 1 to {_MOST_UNITS:,} of {', '.join(UNITS)}")
    return Schedule(count=count, unit=unit, zone=_read_zone(zone))


def _check(make: Callable[[], object], error_type: type[Exception]) -> None:
    try:
        make()
    except error_type as error:
        raise ScheduleError(f"the crontab expression: {str(error)[:100]}") from error


def _read_zone(zone: str) -> str:
    name = zone.strip() or "UTC"
    try:
        if len(name) <= _LONGEST_ZONE:
            ZoneInfo(name)
            return name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ScheduleError(f"there is no time zone {name[:_LONGEST_ZONE]!r}")


def _add_months(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    if year > 9_999:
        raise OverflowError
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
