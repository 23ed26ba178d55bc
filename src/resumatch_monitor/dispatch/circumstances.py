"""What bears on an alert at one moment, put together from all who have a say."""

from collections.abc import Callable
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.escalation import hold_for_turn
from resumatch_monitor.dispatch.flapping import Flapping
from resumatch_monitor.dispatch.group import Group
from resumatch_monitor.dispatch.handling import Handling, HandlingSource
from resumatch_monitor.dispatch.member import Outlook, member_key
from resumatch_monitor.dispatch.muting import Mute, MuteKind, Muter
from resumatch_monitor.dispatch.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.route import GroupId, Route, Target
from resumatch_monitor.dispatch.times import RouteTimes

_ROUTE_IS_GONE = Mute(MuteKind.WAITING, "", "its route is not in the configuration any more")


class Circumstances:
    """Asks people's handling of alerts, the mutes, the routes' times and the escalations."""

    def __init__(
        self,
        *,
        muter: Muter | None,
        handlings: HandlingSource | None,
        route_times: RouteTimes | None,
        flapping: Flapping,
        find_group: Callable[[GroupId], Group | None],
    ) -> None:
        self._muter = muter
        self._handlings = handlings
        self._route_times = route_times
        self._flapping = flapping
        self._find_group = find_group

    def outlook(self, target: Target | None, now: datetime) -> Outlook:
        """Return what bears on the members of a group at `now`.

        Args:
            target: What the group is to the routing tree; None if that knows it no more.
            now: The time.
        """
        if target is None:
            return Outlook(mute_of=lambda _: _ROUTE_IS_GONE)
        of_route = None
        if self._route_times is not None:
            of_route = self._route_times.find(target.route, now)

        def mute_of(occurrence: Occurrence) -> Mute | None:
            mute = self._mute_by_anybody(occurrence.id, occurrence.alert, now) or of_route
            if mute is None and target.step is not None:
                return self._hold_for_turn(target, occurrence, now)
            return mute

        return Outlook(
            mute_of=mute_of,
            flap_of=lambda each: self._flapping.find(each.alert.fingerprint, now),
            is_acknowledged=self.is_acknowledged,
        )

    def mute_everywhere(self, root: Route, alert: Alert, now: datetime) -> Mute | None:
        """Return what holds `alert` back at all routes that tell it at once; None if nothing."""
        mute = self._mute_by_anybody(OccurrenceId(alert.fingerprint, alert.starts_at), alert, now)
        mute = mute or self._hold_flapping(alert, now)
        if mute is not None or self._route_times is None:
            return mute
        mutes = [
            self._route_times.find(route, now)
            for route in root.find(alert.labels)
            if not route.digest
        ]
        return mutes[0] if mutes and all(mutes) else None

    def _hold_flapping(self, alert: Alert, now: datetime) -> Mute | None:
        flap = self._flapping.find(alert.fingerprint, now)
        if flap is None:
            return None
        return Mute(MuteKind.FLAPPING, alert.fingerprint, flap.text, flap.until)

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
        return hold_for_turn(target.step, base, member_key(occurrence), now)

    def _mute_by_anybody(
        self, occurrence_id: OccurrenceId, alert: Alert, now: datetime
    ) -> Mute | None:
        handling = self._find_handling(occurrence_id)
        if handling is not None and handling.snoozed_until is not None and handling.is_snoozed(now):
            until = handling.snoozed_until
            return Mute(
                MuteKind.SNOOZED,
                alert.fingerprint,
                f"snoozed until {until:%Y-%m-%d %H:%M} UTC",
                until,
            )
        return None if self._muter is None else self._muter.find(alert, now)

    def _find_handling(self, occurrence_id: OccurrenceId) -> Handling | None:
        return None if self._handlings is None else self._handlings.find(occurrence_id)
