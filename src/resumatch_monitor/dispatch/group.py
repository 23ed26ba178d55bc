"""One group of alerts as a state machine: given what people were told and the time, what to say.

It does no I/O and asks no clock. A member is an alert; people believe of it that it fires, or
nothing. A group speaks when that belief is wrong, or when it was right for `repeat_interval`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from resumatch_monitor.alerts.alert import AlertStatus
from resumatch_monitor.dispatch.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.route import GroupId, Timing
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import Labels

_SEVERITY_RANKS = {"critical": 0, "warning": 1, "info": 2}


class Reason(StrEnum):
    """Why a group speaks."""

    NEWS = "news"
    RESOLVED = "resolved"
    REPEAT = "repeat"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a group says at one moment.

    Attributes:
        told: The alerts that the message lists, the gravest firing ones first.
        leaving: The members that are done with: resolved, or events that this message tells.
        is_over: No member stays.
    """

    reason: Reason
    told: tuple[Occurrence, ...]
    leaving: tuple[Occurrence, ...]
    is_over: bool


@dataclass(slots=True)
class _Member:
    occurrence: Occurrence
    is_told: bool = False

    @property
    def is_resolved(self) -> bool:
        return self.occurrence.alert.status is AlertStatus.RESOLVED

    @property
    def is_settled(self) -> bool:
        """Whether people believe what is the case."""
        return self.is_told and not self.is_resolved


class Group:
    """The alerts that are told together, and what was last told of them."""

    def __init__(self, group_id: GroupId, *, labels: Labels, timing: Timing) -> None:
        self.id = group_id
        self.labels = labels
        self.thread_id: str | None = None
        self._timing = timing
        self._members: dict[str, _Member] = {}
        self._unsettled: set[str] = set()
        self._first_due_at: datetime | None = None
        self._changed_at: datetime | None = None
        self._anchor_at: datetime | None = None
        self._notified_at: datetime | None = None

    def restore(
        self,
        *,
        anchor_at: datetime,
        notified_at: datetime,
        thread_id: str,
        told: Collection[str],
    ) -> None:
        """Remember what was told before a restart. Call it after the members are placed."""
        self.thread_id = thread_id
        self._anchor_at = anchor_at
        self._notified_at = notified_at
        self._changed_at = anchor_at
        for key in told:
            member = self._members.get(key)
            if member is not None:
                member.is_told = True
        self._note_unsettled(self._members)

    def place(self, occurrence: Occurrence, now: datetime) -> None:
        """Take in an alert's latest state."""
        key = member_key(occurrence)
        member = self._members.setdefault(key, _Member(occurrence))
        member.occurrence = occurrence
        if member.is_settled:
            self._unsettled.discard(key)
            return
        if key in self._unsettled:
            return
        self._unsettled.add(key)
        self._changed_at = min(self._changed_at or now, now) if len(self._unsettled) > 1 else now
        due_at = self._wait_until(occurrence, now)
        self._first_due_at = min(self._first_due_at or due_at, due_at)

    def due_at(self) -> datetime | None:
        """Return when `decide` should be called next; None for a group without members."""
        if not self._members:
            return None
        if self._anchor_at is None or self._notified_at is None:
            return self._first_due_at
        if self._unsettled:
            return self._tick(self._changed_at or self._anchor_at)
        return self._tick(self._notified_at + self._timing.repeat_interval)

    def decide(self, now: datetime) -> Decision:
        """Return what to say at `now`, which is not before `due_at`."""
        members = self._members.values()
        firing = [each for each in members if not each.is_resolved]
        ended = [each for each in members if each.is_resolved]
        reason = self._find_reason(firing, ended, now)
        told = () if reason is Reason.NOTHING else _in_order(firing, ended)
        leaving = [each.occurrence for each in ended]
        leaving.extend(each.occurrence for each in firing if each.occurrence.alert.is_event)
        return Decision(reason, told, tuple(leaving), len(leaving) == len(self._members))

    def apply(self, decision: Decision, now: datetime) -> None:
        """Remember that `decision`, made at `now`, is carried out.

        Members may have changed since the decision was made.
        """
        self._anchor_at = now
        if decision.told:
            self._notified_at = now
        for occurrence in decision.told:
            member = self._members.get(member_key(occurrence))
            if member is not None and occurrence.is_firing:
                member.is_told = True
        for occurrence in decision.leaving:
            self._leave(occurrence)
        if decision.is_over:
            self._forget()
        self._first_due_at = None
        self._changed_at = now
        self._note_unsettled(self._members)
        if decision.is_over:
            for member in self._members.values():
                due_at = self._wait_until(member.occurrence, now)
                self._first_due_at = min(self._first_due_at or due_at, due_at)

    def has(self, occurrence: Occurrence) -> bool:
        """Tell whether the group is about this very occurrence."""
        member = self._members.get(member_key(occurrence))
        return member is not None and member.occurrence.id == occurrence.id

    def knows(self, occurrence: Occurrence) -> bool:
        """Tell whether the group has a member of this alert, in whichever occurrence."""
        return member_key(occurrence) in self._members

    @property
    def is_empty(self) -> bool:
        """Whether it is about nothing."""
        return not self._members

    def _find_reason(
        self, firing: Collection[_Member], ended: Iterable[_Member], now: datetime
    ) -> Reason:
        if any(not member.is_told for member in firing):
            return Reason.NEWS
        if any(member.is_told for member in ended):
            return Reason.RESOLVED
        if firing and self._notified_at is not None:
            is_due = now - self._notified_at >= self._timing.repeat_interval
            return Reason.REPEAT if is_due else Reason.NOTHING
        return Reason.NOTHING

    def _leave(self, occurrence: Occurrence) -> None:
        key = member_key(occurrence)
        member = self._members.get(key)
        if member is None:
            return
        if member.occurrence.id == occurrence.id:
            del self._members[key]
        else:
            # It fires again, and people were just told that it had ended.
            member.is_told = False

    def _forget(self) -> None:
        self._anchor_at = self._notified_at = self.thread_id = None

    def _note_unsettled(self, keys: Iterable[str]) -> None:
        self._unsettled = {key for key in keys if not self._members[key].is_settled}

    def _wait_until(self, occurrence: Occurrence, now: datetime) -> datetime:
        wait = self._timing.wait_for(occurrence.alert)
        # As in Alertmanager, what has held for longer than the wait does not wait again.
        return now if occurrence.alert.starts_at + wait <= now else now + wait

    def _tick(self, moment: datetime) -> datetime:
        """Return the first multiple of the group interval since the last one at or after."""
        assert self._anchor_at is not None
        interval = self._timing.group_interval
        steps = max(1, -((self._anchor_at - moment) // interval))
        return self._anchor_at + steps * interval


def member_key(occurrence: Occurrence) -> str:
    """Name the member that an occurrence belongs to: its alert, or itself if it is an event."""
    if occurrence.alert.is_event:
        return event_key(occurrence.id)
    return occurrence.alert.fingerprint


def event_key(occurrence_id: OccurrenceId) -> str:
    """Name the member that an event is."""
    return f"{occurrence_id.fingerprint}@{to_milliseconds(occurrence_id.starts_at)}"


def _in_order(firing: Iterable[_Member], ended: Iterable[_Member]) -> tuple[Occurrence, ...]:
    told = [*(each.occurrence for each in firing)]
    told.sort(key=_gravity)
    resolved = [each.occurrence for each in ended if each.is_told]
    resolved.sort(key=_gravity)
    return (*told, *resolved)


def _gravity(occurrence: Occurrence) -> tuple[int, datetime, str]:
    alert = occurrence.alert
    return _SEVERITY_RANKS.get(alert.severity, 1), alert.starts_at, alert.fingerprint
