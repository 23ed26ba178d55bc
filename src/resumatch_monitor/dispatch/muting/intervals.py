"""Recurring stretches of time: whether one is on, and when that changes; right across DST."""

import calendar
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from resumatch_monitor.dispatch.policy.interval_config import (
    LOCAL,
    NamedIntervalConfig,
    Span,
    TimeIntervalConfig,
    parse_days,
    parse_months,
    parse_time,
    parse_weekdays,
    parse_years,
)
from resumatch_monitor.kit.zones import find_zone

_FARTHEST_DAYS = 400
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_SURE = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Interval:
    """Conditions on a moment, all of which must hold; None holds always.

    Attributes:
        times: Minutes since midnight; the last one is not included.
        weekdays: Sunday is 0.
        zone: None is the machine's.
    """

    times: tuple[Span, ...] | None = None
    weekdays: tuple[Span, ...] | None = None
    days_of_month: tuple[Span, ...] | None = None
    months: tuple[Span, ...] | None = None
    years: tuple[Span, ...] | None = None
    zone: tzinfo | None = UTC

    def contains(self, moment: datetime) -> bool:
        """Tell whether all conditions hold at `moment`."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        if self.times is not None and not any(first <= minute < last for first, last in self.times):
            return False
        return self.has_day(local.date())

    def has_day(self, day: date) -> bool:
        """Tell whether the conditions on the day hold."""
        return (
            _is_in(self.years, day.year)
            and _is_in(self.months, day.month)
            and _is_in(self.weekdays, day.isoweekday() % 7)
            and self._has_day_of_month(day)
        )

    def _has_day_of_month(self, day: date) -> bool:
        if self.days_of_month is None:
            return True
        length = calendar.monthrange(day.year, day.month)[1]
        return any(
            _from_start(first, length) <= day.day <= _from_start(last, length)
            for first, last in self.days_of_month
        )

    def moments_of(self, day: date) -> set[datetime]:
        """Return every moment of a local day, and maybe others, at which `contains` may change."""
        has_day = self.has_day(day)
        if not has_day and not self.has_day(day - _DAY):
            return set()
        minutes = {0, *(each for span in self.times or () for each in span)} if has_day else {0}
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        local = [midnight + timedelta(minutes=each) for each in minutes]
        # A time that the day has twice, or never, yields two candidates.
        found = {each.replace(fold=fold).astimezone(UTC) for each in local for fold in (0, 1)}
        begin, end = midnight.astimezone(UTC), (midnight + _DAY).astimezone(UTC)
        if begin.astimezone(self.zone).utcoffset() != end.astimezone(self.zone).utcoffset():
            found.add(self._find_clock_change(begin, end))
        return found

    def _find_clock_change(self, low: datetime, high: datetime) -> datetime:
        before = low.astimezone(self.zone).utcoffset()
        while high - low > _MINUTE:
            middle = low + ((high - low) // 2 // _MINUTE or 1) * _MINUTE
            if middle.astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """Several intervals under one name, any of which will do."""

    name: str
    parts: tuple[Interval, ...]

    def is_active(self, now: datetime) -> bool:
        """Tell whether `now` lies in it; seconds do not matter."""
        return any(part.contains(now) for part in self.parts)

    def next_change(self, now: datetime) -> datetime | None:
        """Return when `is_active` will be another than at `now`.

        None if it stays as it is for the next 400 days: whoever waits asks again then.
        """
        is_active = self.is_active(now)
        for moment in self._moments(now.astimezone(UTC)):
            if moment > now and self.is_active(moment) != is_active:
                return moment
        return None

    def _moments(self, after: datetime) -> Iterator[datetime]:
        """Yield, in order, the moments at which something may change."""
        waiting: list[datetime] = []
        first = after.date() - 2 * _DAY
        for offset in range(_FARTHEST_DAYS + 2):
            day = first + offset * _DAY
            for part in self.parts:
                waiting.extend(part.moments_of(day))
            # The next day begins earliest in the farthest east, 14 hours before it does in UTC.
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            waiting.sort()
            sure = bisect_right(waiting, midnight + _SURE)
            yield from waiting[:sure]
            del waiting[:sure]


def build_intervals(configs: Sequence[NamedIntervalConfig]) -> dict[str, TimeInterval]:
    """Return the intervals that are configured, by name."""
    return {
        config.name: TimeInterval(
            config.name, tuple(_build_interval(each) for each in config.time_intervals)
        )
        for config in configs
    }


def _build_interval(config: TimeIntervalConfig) -> Interval:
    times = [
        (parse_time(each.start_time), parse_time(each.end_time)) for each in config.times or ()
    ]
    return Interval(
        times=tuple(times) or None,
        weekdays=parse_weekdays(config.weekdays or ()) or None,
        days_of_month=parse_days(config.days_of_month or ()) or None,
        months=parse_months(config.months or ()) or None,
        years=parse_years(config.years or ()) or None,
        zone=None if config.location == LOCAL else find_zone(config.location),
    )


def _is_in(spans: tuple[Span, ...] | None, number: int) -> bool:
    return spans is None or any(first <= number <= last for first, last in spans)


def _from_start(day: int, length: int) -> int:
    return day if day > 0 else length + day + 1
