"""What bears on an alert at one moment, put together from all who have a say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.grouping.escalation import hold_for_turn
from resumatch_monitor.dispatch.grouping.group import Group
from resumatch_monitor.dispatch.grouping.member import Outlook, member_key
from resumatch_monitor.dispatch.handling.handling import Handling, HandlingSource
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind, Muter
from resumatch_monitor.dispatch.muting.times import RouteTimes
from resumatch_monitor.dispatch.occurrences.flapping import Flap, Flapping
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.routing.route import GroupId, Route, Target
from resumatch_monitor.dispatch.steady import SteadyTime
from resumatch_monitor.kit.clock import Clock

_ROUTE_IS_GONE = Mute(MuteKind.WAITING, "", "its route is not in the configuration any more")


class Circumstances:
    """Asks people's handling of alerts, the mutes, the routes' times and the escalations.

    What people set holds by the wall clock, in whose terms they set it: silences, snoozes, quiet
    hours, the times of routes. What the dispatcher counts itself goes by its steady time: turns of
    an escalation, flapping.
    """

    def __init__(
        self,
        *,
        muter: Muter | None,
        handlings: HandlingSource | None,
        route_times: RouteTimes | None,
        flapping: Flapping,
        find_group: Callable[[GroupId], Group | None],
        clock: Clock,
        steady: SteadyTime,
    ) -> None:
        self._muter = muter
        self._handlings = handlings
        self._route_times = route_times
        self._flapping = flapping
        self._find_group = find_group
        self._clock = clock
        self._steady = steady

    def outlook(self, target: Target | None, now: datetime) -> Outlook:
        """Return what bears on the members of a group at `now`.

        Args:
            target: What the group is to the routing tree; None if that knows it no more.
            now: The steady time.
        """
        if target is None:
            return Outlook(mute_of=lambda _: _ROUTE_IS_GONE)
        wall = self._clock.now()
        of_route = None
        if self._route_times is not None:
            of_route = self._route_times.find(target.route, wall)

        def mute_of(occurrence: Occurrence) -> Mute | None:
            mute = self._mute_by_anybody(occurrence.id, occurrence.alert, wall) or of_route
            if mute is None and target.step is not None:
                return self._hold_for_turn(target, occurrence, now)
            return mute

        return Outlook(
            mute_of=mute_of,
            flap_of=lambda each: self._find_flap(each.alert.fingerprint, now),
            is_acknowledged=self.is_acknowledged,
        )

    def mute_everywhere(self, root: Route, alert: Alert, wall: datetime) -> Mute | None:
        """Return what holds `alert` back at all routes that tell it at once; None if nothing.

        Args:
            root: The routing tree.
            alert: Which.
            wall: The wall time.
        """
        mute = self._mute_by_anybody(OccurrenceId(alert.fingerprint, alert.starts_at), alert, wall)
        mute = mute or self._hold_flapping(alert)
        if mute is not None or self._route_times is None:
            return mute
        mutes = [
            self._route_times.find(route, wall)
            for route in root.find(alert.labels)
            if not route.digest
        ]
        return mutes[0] if mutes and all(mutes) else None

    def _hold_flapping(self, alert: Alert) -> Mute | None:
        flap = self._find_flap(alert.fingerprint, self._steady.now())
        if flap is None:
            return None
        return Mute(MuteKind.FLAPPING, alert.fingerprint, flap.text, flap.until)

    def _find_flap(self, fingerprint: str, now: datetime) -> Flap | None:
        flap = self._flapping.find(fingerprint, now)
        # People read it.
        return flap and replace(flap, until=self._steady.to_wall(flap.until))

    def is_acknowledged(self, occurrence: Occurrence) -> bool:
        """Tell whether somebody works on it."""
        handling = self._find_handling(occurrence.id)
        return handling is not None and handling.acknowledged_at is not None

    def _hold_for_turn(self, target: Target, occurrence: Occurrence, now: datetime) -> Mute | None:
        handling = self._find_handling(occurrence.id)
        if handling is not None and handling.acknowledged_at is not None:
            by = handling.acknowledged_by
            return Mute(MuteKind.ACKNOWLEDGED, by, f"acknowledged by {by or 'somebody'}")
        assert target.step is not None
        base = self._find_group(target.base_id)
        mute = hold_for_turn(target.step, base, member_key(occurrence), now)
        if mute is None or mute.until is None:
            return mute
        return replace(mute, until=self._steady.to_wall(mute.until))

    def _mute_by_anybody(
        self, occurrence_id: OccurrenceId, alert: Alert, wall: datetime
    ) -> Mute | None:
        handling = self._find_handling(occurrence_id)
        if (
            handling is not None
            and handling.snoozed_until is not None
            and handling.is_snoozed(wall)
        ):
            until = handling.snoozed_until
            return Mute(
                MuteKind.SNOOZED,
                alert.fingerprint,
                f"snoozed until {until:%Y-%m-%d %H:%M} UTC",
                until,
            )
        return None if self._muter is None else self._muter.find(alert, wall)

    def _find_handling(self, occurrence_id: OccurrenceId) -> Handling | None:
        return None if self._handlings is None else self._handlings.find(occurrence_id)
