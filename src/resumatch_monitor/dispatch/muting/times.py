"""What time has to do with telling: the intervals of routes, and quiet hours."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.intervals import TimeInterval
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.policy.policy_config import QuietHoursConfig
from resumatch_monitor.dispatch.routing.route import Route

_ASK_AGAIN_AFTER = timedelta(days=1)


class IntervalClock:
    """Tells which time intervals are on; asked for each alert, it remembers until it changes."""

    def __init__(self, intervals: Mapping[str, TimeInterval]) -> None:
        self._intervals = intervals
        self._known: dict[str, tuple[datetime, datetime, bool]] = {}

    def is_active(self, name: str, now: datetime) -> bool:
        """Tell whether the interval called `name` is on at `now`."""
        return self._look(name, now)[2]

    def until(self, name: str, now: datetime) -> datetime:
        """Return when that may change."""
        return self._look(name, now)[1]

    def _look(self, name: str, now: datetime) -> tuple[datetime, datetime, bool]:
        known = self._known.get(name)
        if known is None or not known[0] <= now < known[1]:
            interval = self._intervals[name]
            until = interval.next_change(now) or now + _ASK_AGAIN_AFTER
            known = self._known[name] = (now, until, interval.is_active(now))
        return known


class RouteTimes:
    """Holds back what a route does not tell at this time."""

    def __init__(self, clock: IntervalClock) -> None:
        self._clock = clock

    def find(self, route: Route, now: datetime) -> Mute | None:
        """Return why nothing new is told at `route`; None if it is."""
        for name in route.mute_times:
            if self._clock.is_active(name, now):
                until = self._clock.until(name, now)
                return Mute(MuteKind.TIME, name, f"muted by the time interval {name!r}", until)
        names = route.active_times
        if not names or any(self._clock.is_active(name, now) for name in names):
            return None
        until = min(self._clock.until(name, now) for name in names)
        text = f"told only in the time interval {' or '.join(map(repr, names))}"
        return Mute(MuteKind.TIME, names[0], text, until)


class QuietHours:
    """The `Muter` of the alerts that can wait for the morning."""

    def __init__(self, hours: Sequence[QuietHoursConfig], clock: IntervalClock) -> None:
        self._hours = hours
        self._clock = clock

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return the quiet hours that hold `alert` back."""
        for each in self._hours:
            if alert.severity not in each.severities:
                continue
            for name in each.time_intervals:
                if self._clock.is_active(name, now):
                    until = self._clock.until(name, now)
                    return Mute(MuteKind.QUIET_HOURS, each.name, f"quiet hours {each.name}", until)
        return None
