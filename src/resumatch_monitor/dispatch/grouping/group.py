"""One group of alerts as a state machine: given what people were told and the time, what to say.

It does no I/O and asks no clock. A member is an alert; people believe of it that it fires, or
nothing. A group speaks when that belief is wrong, or when it was right for `repeat_interval`.
What is muted is not told that it fires; whoever was told that it fires is told that it ended.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from resumatch_monitor.dispatch.grouping.member import (
    FLAPS,
    HUSHED,
    Member,
    Outlook,
    Stance,
    View,
    is_hushing,
    judge,
    member_key,
)
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.dispatch.occurrences.flapping import Flap
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.dispatch.routing.route import GroupId, Timing
from resumatch_monitor.metrics.labels import Labels

_SEVERITY_RANKS = {"critical": 0, "warning": 1, "info": 2}
_CLEAR = Outlook()


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
        fresh: The keys of those of which people learn that they fire.
        flaps: Those of which people learn that they flap.
        steady: The keys of those of which people learn that they do not flap any more.
        hushed: The keys of told members that a person has muted: told anew when that ends.
        held: What is muted at this moment.
        newly_held: Those of `held` that were not at the last look, or for another reason.
    """

    reason: Reason
    told: tuple[Occurrence, ...]
    leaving: tuple[Occurrence, ...]
    is_over: bool
    fresh: tuple[str, ...] = ()
    flaps: tuple[tuple[Occurrence, Flap], ...] = ()
    steady: tuple[str, ...] = ()
    hushed: tuple[str, ...] = ()
    held: Mapping[str, Mute] | None = None
    newly_held: tuple[tuple[Occurrence, Mute], ...] = ()

    @property
    def added(self) -> list[str]:
        """The keys that are added to what was told."""
        return [
            *self.fresh,
            *(member_key(each) + FLAPS for each, _ in self.flaps),
            *(key + HUSHED for key in self.hushed),
        ]

    @property
    def removed(self) -> list[str]:
        """The keys that are taken from what was told, before others are added."""
        ended = [member_key(each) for each in self.leaving if not each.alert.is_event]
        return [
            *(key + mark for key in ended for mark in ("", HUSHED, FLAPS)),
            *(key + HUSHED for key in self.fresh),
            *(key + FLAPS for key in self.steady),
        ]


class Group:
    """The alerts that are told together, and what was last told of them."""

    def __init__(self, group_id: GroupId, *, labels: Labels, timing: Timing) -> None:
        self.id = group_id
        self.labels = labels
        self.thread_id: str | None = None
        self.anchor_at: datetime | None = None
        self._timing = timing
        self._members: dict[str, Member] = {}
        self._unsettled: set[str] = set()
        self._first_due_at: datetime | None = None
        self._changed_at: datetime | None = None
        self._notified_at: datetime | None = None

    def restore(
        self,
        *,
        anchor_at: datetime,
        notified_at: datetime,
        thread_id: str,
        told: Mapping[str, datetime],
    ) -> None:
        """Remember what was told before a restart. Call it after the members are placed.

        Args:
            anchor_at: When the group was last looked at.
            notified_at: When it last said something.
            thread_id: The id of its first notification.
            told: When something was told, by the member's key and its marks.
        """
        self.thread_id = thread_id
        self.anchor_at = anchor_at
        self._notified_at = notified_at
        self._changed_at = anchor_at
        for key, member in self._members.items():
            member.told_at = told.get(key)
            member.is_hushed = key + HUSHED in told
            member.is_flap_told = key + FLAPS in told
        self._note_unsettled()

    def place(self, occurrence: Occurrence, now: datetime) -> None:
        """Take in an alert's latest state."""
        key = member_key(occurrence)
        member = self._members.get(key)
        if member is None:
            member = self._members[key] = Member(occurrence)
        member.occurrence = occurrence
        if member.is_settled:
            self._unsettled.discard(key)
        elif key not in self._unsettled:
            self._unsettle(key, now)

    def _unsettle(self, key: str, now: datetime) -> None:
        self._unsettled.add(key)
        self._changed_at = min(self._changed_at or now, now) if len(self._unsettled) > 1 else now
        due_at = self._wait_until(self._members[key].occurrence, now)
        self._first_due_at = min(self._first_due_at or due_at, due_at)

    def due_at(self) -> datetime | None:
        """Return when `decide` should be called next; None for a group without members."""
        if not self._members:
            return None
        if self.anchor_at is None:
            return self._first_due_at
        if self._unsettled:
            return self._tick(self._changed_at or self.anchor_at)
        if self._notified_at is None:
            return self._first_due_at
        return self._tick(self._notified_at + self._timing.repeat_interval)

    def decide(self, now: datetime, outlook: Outlook = _CLEAR) -> Decision:
        """Return what to say at `now`, which is not before `due_at`."""
        views = [judge(key, member, outlook) for key, member in self._members.items()]
        by_stance: dict[Stance, list[View]] = {stance: [] for stance in Stance}
        for view in views:
            by_stance[view.stance].append(view)
        news = [*by_stance[Stance.NEWS], *by_stance[Stance.FLAPS]]
        reason = self._find_reason(news, by_stance, now)
        told: tuple[Occurrence, ...] = ()
        if reason is not Reason.NOTHING:
            told = _in_order([*news, *by_stance[Stance.KNOWN]], by_stance[Stance.ENDED])
        leaving = [
            *(
                view.occurrence
                for stance in (Stance.ENDED, Stance.OVER)
                for view in by_stance[stance]
            ),
            *(view.occurrence for view in news if view.occurrence.alert.is_event),
        ]
        held = [view for view in views if view.mute is not None]
        return Decision(
            reason,
            told,
            tuple(leaving),
            len(leaving) == len(views),
            fresh=tuple(view.key for view in news if view.is_fresh),
            flaps=tuple((v.occurrence, v.flap) for v in by_stance[Stance.FLAPS] if v.flap),
            steady=tuple(view.key for view in by_stance[Stance.NEWS] if view.is_steady_again),
            hushed=tuple(view.key for view in held if view.is_hushed_now),
            held={view.key: view.mute for view in held if view.mute},
            newly_held=tuple((v.occurrence, v.mute) for v in held if v.mute and v.is_newly_held),
        )

    def apply(self, decision: Decision, now: datetime) -> None:
        """Remember that `decision`, made at `now`, is carried out.

        Members may have changed since the decision was made.
        """
        self.anchor_at = now
        if decision.told:
            self._notified_at = now
        self._learn(decision, now)
        for occurrence in decision.leaving:
            self._leave(occurrence)
        if decision.is_over:
            self.anchor_at = self._notified_at = self.thread_id = None
        self._first_due_at = None
        self._changed_at = now
        self._note_unsettled()
        if decision.is_over:
            for member in self._members.values():
                due_at = self._wait_until(member.occurrence, now)
                self._first_due_at = min(self._first_due_at or due_at, due_at)

    def _learn(self, decision: Decision, now: datetime) -> None:
        held = decision.held or {}
        for key, member in self._members.items():
            member.mute = held.get(key)
        for key in decision.fresh:
            if (member := self._members.get(key)) is not None:
                member.told_at, member.is_hushed = now, False
        for key in decision.steady:
            if (member := self._members.get(key)) is not None:
                member.is_flap_told = False
        for occurrence, _ in decision.flaps:
            if (member := self._members.get(member_key(occurrence))) is not None:
                member.is_flap_told = True
        self._mark_hushed(decision.hushed)

    def find_hushed(self, outlook: Outlook) -> list[str]:
        """Return the keys of told members that a person has muted and that are not marked so."""
        return [
            key
            for key, member in self._members.items()
            if member.is_settled
            and (mute := outlook.mute_of(member.occurrence)) is not None
            and is_hushing(mute)
        ]

    def hush(self, keys: Collection[str], now: datetime) -> None:
        """Remember that these are told anew when they are not muted any more."""
        self._mark_hushed(keys)
        for key in keys:
            member = self._members.get(key)
            if member is not None and member.is_hushed and key not in self._unsettled:
                self._unsettle(key, now)

    def _mark_hushed(self, keys: Collection[str]) -> None:
        for key in keys:
            member = self._members.get(key)
            if member is not None and member.told_at is not None:
                member.is_hushed = True

    def has(self, occurrence: Occurrence) -> bool:
        """Tell whether the group is about this very occurrence."""
        member = self._members.get(member_key(occurrence))
        return member is not None and member.occurrence.id == occurrence.id

    def knows(self, occurrence: Occurrence) -> bool:
        """Tell whether the group has a member of this alert, in whichever occurrence."""
        return member_key(occurrence) in self._members

    def member(self, key: str) -> Member | None:
        """Return a member; it is not to be changed."""
        return self._members.get(key)

    def members(self) -> Mapping[str, Member]:
        """Return all members by key; they are not to be changed."""
        return self._members

    @property
    def is_empty(self) -> bool:
        """Whether it is about nothing."""
        return not self._members

    def _find_reason(
        self, news: Collection[View], by_stance: Mapping[Stance, Collection[View]], now: datetime
    ) -> Reason:
        if news:
            return Reason.NEWS
        if by_stance[Stance.ENDED]:
            return Reason.RESOLVED
        # What somebody works on needs no reminder, unless something else does.
        is_open = any(not view.is_acknowledged for view in by_stance[Stance.KNOWN])
        if is_open and self._notified_at is not None:
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
            member.told_at = None
            member.is_hushed = member.is_flap_told = False

    def _note_unsettled(self) -> None:
        self._unsettled = {key for key, each in self._members.items() if not each.is_settled}

    def _wait_until(self, occurrence: Occurrence, now: datetime) -> datetime:
        wait = self._timing.wait_for(occurrence.alert)
        # As in Alertmanager, what has held for longer than the wait does not wait again.
        return now if occurrence.alert.starts_at + wait <= now else now + wait

    def _tick(self, moment: datetime) -> datetime:
        """Return the first multiple of the group interval since the last one at or after."""
        assert self.anchor_at is not None
        interval = self._timing.group_interval
        steps = max(1, -((self.anchor_at - moment) // interval))
        return self.anchor_at + steps * interval


def gravity(occurrence: Occurrence) -> tuple[int, datetime, str]:
    """Return what sorts the gravest and oldest first."""
    alert = occurrence.alert
    return _SEVERITY_RANKS.get(alert.severity, 1), alert.starts_at, alert.fingerprint


def _in_order(firing: Iterable[View], ended: Iterable[View]) -> tuple[Occurrence, ...]:
    told = sorted((view.occurrence for view in firing), key=gravity)
    return (*told, *sorted((view.occurrence for view in ended), key=gravity))
