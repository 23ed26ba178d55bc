"""All groups: which alert is in which, when each is due, and what is done with."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from resumatch_monitor.alerts.alert import AlertStatus
from resumatch_monitor.dispatch.grouping.circumstances import Circumstances
from resumatch_monitor.dispatch.grouping.escalation import Turn, Turns, find_start
from resumatch_monitor.dispatch.grouping.group import Decision, Group
from resumatch_monitor.dispatch.grouping.member import judge, member_key
from resumatch_monitor.dispatch.grouping.schedule import Schedule
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.routing.route import GroupId, Route, Target, find_targets
from resumatch_monitor.dispatch.store import Flush, Snapshot
from resumatch_monitor.metrics.labels import NO_LABELS, Labels

HasChannel = Callable[[str, Sequence[str]], bool]
"""Tells whether a receiver has an integration of some kinds, or of any."""


@dataclass(frozen=True, slots=True)
class MemberView:
    """An alert in a group.

    Attributes:
        mute: What holds it back.
        told_at: Since when people believe that it fires; None if they do not.
    """

    occurrence: Occurrence
    mute: Mute | None
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as pages show it.

    Attributes:
        step: Which step of an escalation it is; 0 for what is told at once.
    """

    id: GroupId
    labels: Labels
    step: int
    members: Sequence[MemberView]


class Registry:
    """Keeps the groups and their timers in memory; it decides nothing and stores nothing."""

    def __init__(self, route: Route, *, has_channel: HasChannel) -> None:
        self._route = route
        self._has_channel = has_channel
        self._groups: dict[GroupId, Group] = {}
        self._targets: dict[GroupId, Target] = {}
        self._schedule = Schedule()
        self._turns = Turns()
        self._finished: dict[OccurrenceId, Occurrence] = {}
        # The groups that told an alert before the routes changed: they owe people its end.
        self._left_behind: dict[str, set[GroupId]] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def find(self, group_id: GroupId) -> Group | None:
        """Return a group."""
        return self._groups.get(group_id)

    def target(self, group: Group) -> Target | None:
        """Return what a group is to the routing tree."""
        return self._targets.get(group.id)

    @property
    def next_at(self) -> datetime | None:
        """When something may be due next."""
        moments = [each for each in (self._schedule.next_at, self._turns.next_at) if each]
        return min(moments, default=None)

    def views(self, circumstances: Circumstances, now: datetime) -> list[GroupView]:
        """Return all groups, by receiver and key."""
        return [
            self._view(self._groups[group_id], circumstances, now)
            for group_id in sorted(self._groups, key=lambda each: (each.receiver, each.key))
        ]

    def _view(self, group: Group, circumstances: Circumstances, now: datetime) -> GroupView:
        target = self.target(group)
        outlook = circumstances.outlook(target, now)
        members = [
            MemberView(each.occurrence, judge(key, each, outlook).mute, each.told_at)
            for key, each in group.members().items()
        ]
        step = 0 if target is None or target.step is None else target.step.number
        return GroupView(group.id, group.labels, step, members)

    def restore(self, snapshot: Snapshot, now: datetime) -> None:
        """Rebuild everything from what was stored."""
        self._groups.clear()
        self._targets.clear()
        self._schedule.clear()
        self._turns.clear()
        self._finished.clear()
        self._left_behind.clear()
        for occurrence in snapshot.occurrences:
            for group_id, target in find_targets(self._route, occurrence.alert.labels).items():
                is_told = member_key(occurrence) in snapshot.told.get(group_id, ())
                if _has_something_left(occurrence, target, is_told=is_told):
                    group = self._open(target, occurrence)
                    if group is not None:
                        # A clock that was set back must not make a timer hang in the future.
                        group.place(occurrence, min(occurrence.received_at, now))
        self._restore_left_behind(snapshot, now)
        for group_id, group in self._groups.items():
            state = snapshot.groups.get(group_id)
            if state is not None:
                told = snapshot.told.get(group_id, {})
                group.restore(
                    anchor_at=min(state.anchor_at, now),
                    notified_at=min(state.notified_at, now),
                    thread_id=state.thread_id,
                    told={key: min(at, now) for key, at in told.items()},
                )
            self._queue(group)
        for occurrence in snapshot.occurrences:
            if not occurrence.is_firing and not self._owners(occurrence):
                self._finished[occurrence.id] = occurrence

    def _restore_left_behind(self, snapshot: Snapshot, now: datetime) -> None:
        """Find the groups that have told an alert and that no route leads it to any more."""
        by_key = {
            member_key(each): each for each in snapshot.occurrences if not each.alert.is_event
        }
        for group_id, told in snapshot.told.items():
            for occurrence in (by_key[key] for key in told if key in by_key):
                labels = occurrence.alert.labels
                is_known = group_id in find_targets(self._route, labels)
                if is_known or not self._has_channel(group_id.receiver, ()):
                    continue
                group = self._groups.get(group_id)
                if group is None:
                    group = Group(group_id, labels=NO_LABELS, timing=self._route.timing)
                    self._groups[group_id] = group
                group.place(occurrence, min(occurrence.received_at, now))
                self._left_behind.setdefault(occurrence.alert.fingerprint, set()).add(group_id)

    def place(self, occurrences: Sequence[Occurrence], now: datetime) -> None:
        """Take in the latest states of some alerts, in order."""
        touched: dict[GroupId, Group] = {}
        for occurrence in occurrences:
            is_owned = False
            for group_id, target in find_targets(self._route, occurrence.alert.labels).items():
                group = self._find_for(target, occurrence)
                if group is not None:
                    is_another = not group.has(occurrence)
                    group.place(occurrence, now)
                    touched[group_id] = group
                    is_owned = True
                    if is_another and target.step is None:
                        # Whoever acknowledged the one before did not acknowledge this one.
                        self._add_turns_of(group, target, member_key(occurrence))
            for group_id in self._left_behind.get(occurrence.alert.fingerprint, ()):
                group = self._groups.get(group_id)
                if group is not None and group.knows(occurrence):
                    group.place(occurrence, now)
                    touched[group_id] = group
                    is_owned = True
            if not is_owned and not occurrence.is_firing:
                self._finished[occurrence.id] = occurrence
        for group in touched.values():
            self._queue(group)

    def take_due(self, now: datetime) -> list[Group]:
        """Return the groups that are due; they stay due until `apply`."""

        def due_at(group_id: GroupId) -> datetime | None:
            group = self._groups.get(group_id)
            return None if group is None else group.due_at()

        return [self._groups[group_id] for group_id in self._schedule.take(now, due_at)]

    def postpone(self, group: Group, until: datetime) -> None:
        """Let a group that is due wait until then, unless something happens to it."""
        self._schedule.put(group.id, until)

    def apply(self, group: Group, decision: Decision, flush: Flush, now: datetime) -> None:
        """Remember that a decision of `now` is carried out and stored."""
        group.apply(decision, now)
        if flush.notification is not None and not decision.is_over:
            group.thread_id = flush.notification.thread_id
        if group.id not in self._targets:
            self._forget_left_behind(group, decision)
        if group.is_empty:
            del self._groups[group.id]
            self._targets.pop(group.id, None)
            self._schedule.put(group.id, None)
            return
        self._queue(group)
        target = self._targets.get(group.id)
        if target is not None and target.step is None:
            for key in decision.fresh:
                self._add_turns_of(group, target, key)

    def _forget_left_behind(self, group: Group, decision: Decision) -> None:
        for occurrence in decision.leaving:
            fingerprint = occurrence.alert.fingerprint
            group_ids = self._left_behind.get(fingerprint, set())
            group_ids.discard(group.id)
            if not group_ids:
                self._left_behind.pop(fingerprint, None)

    def hush(self, group: Group, keys: Sequence[str], now: datetime) -> None:
        """Remember that these members are told anew when they are not muted any more."""
        group.hush(keys, now)
        self._queue(group)

    def add_turns(self) -> None:
        """Let every alert that was told have its turns in the steps that have not told it."""
        for group_id, group in self._groups.items():
            target = self._targets.get(group_id)
            if target is not None and target.step is None and target.route.escalation is not None:
                for key in group.members():
                    self._add_turns_of(group, target, key)

    def _add_turns_of(self, group: Group, target: Target, key: str) -> None:
        member = group.member(key)
        if target.route.escalation is None or member is None or member.told_at is None:
            return
        if member.occurrence.is_firing:
            targets = find_targets(self._route, member.occurrence.alert.labels)
            self._turns.add(
                key,
                member.told_at,
                (each for each in targets.values() if each.base_id == group.id),
            )

    def escalate(self, now: datetime, circumstances: Circumstances) -> None:
        """Let the alerts whose turn has come enter their steps."""
        for turn in self._turns.take(now):
            self._take_turn(turn, now, circumstances)

    def _take_turn(self, turn: Turn, now: datetime, circumstances: Circumstances) -> None:
        base = self._groups.get(turn.base_id)
        member = None if base is None else base.member(turn.key)
        if base is None or member is None or not member.occurrence.is_firing:
            return
        start = find_start(base, turn.key)
        target = find_targets(self._route, member.occurrence.alert.labels).get(turn.step_id)
        if start is None or target is None or target.step is None:
            return
        if start + target.step.after > now:
            self._turns.add(turn.key, start, [target])
        elif not circumstances.is_acknowledged(member.occurrence):
            self._enter(target, member.occurrence, now)

    def _enter(self, target: Target, occurrence: Occurrence, now: datetime) -> None:
        group = self._open(target, occurrence)
        if group is not None and not group.has(occurrence):
            group.place(occurrence, now)
            self._queue(group)

    def find_settled(self, flushes: Iterable[tuple[Group, Decision]]) -> list[Occurrence]:
        """Return the occurrences of which no group will say anything after `flushes`."""
        left_by: dict[OccurrenceId, set[GroupId]] = {}
        leaving: dict[OccurrenceId, Occurrence] = dict(self._finished)
        for group, decision in flushes:
            for occurrence in decision.leaving:
                left_by.setdefault(occurrence.id, set()).add(group.id)
                leaving[occurrence.id] = occurrence
        return [
            occurrence
            for occurrence_id, occurrence in leaving.items()
            if self._owners(occurrence) <= left_by.get(occurrence_id, set())
        ]

    def settle(self, occurrences: Iterable[Occurrence]) -> None:
        """Forget these: nothing will be said about them any more."""
        for occurrence in occurrences:
            self._finished.pop(occurrence.id, None)

    def _owners(self, occurrence: Occurrence) -> set[GroupId]:
        group_ids = {
            *find_targets(self._route, occurrence.alert.labels),
            *self._left_behind.get(occurrence.alert.fingerprint, ()),
        }
        return {
            group_id
            for group_id in group_ids
            if (group := self._groups.get(group_id)) is not None and group.has(occurrence)
        }

    def _find_for(self, target: Target, occurrence: Occurrence) -> Group | None:
        """Return the group that has to hear of `occurrence`, if any has to."""
        group = self._groups.get(target.group_id)
        # Nobody was told that it fires, so nobody needs to hear that it does not; and a step
        # hears of an alert when its turn comes.
        if occurrence.alert.status is AlertStatus.RESOLVED or target.step is not None:
            return group if group is not None and group.knows(occurrence) else None
        return self._open(target, occurrence)

    def _open(self, target: Target, occurrence: Occurrence) -> Group | None:
        """Return the group, which begins if it is not there; None if nobody would hear of it."""
        group = self._groups.get(target.group_id)
        if group is not None:
            return group
        # A route whose channels the receiver lacks may still escalate: its clock runs here.
        is_clock = target.step is None and target.route.escalation is not None
        if not is_clock and not self._has_channel(target.group_id.receiver, target.channels):
            return None
        group = Group(
            target.group_id,
            labels=target.route.group_labels(occurrence.alert.labels),
            timing=target.timing,
        )
        self._groups[group.id] = group
        self._targets[group.id] = target
        return group

    def _queue(self, group: Group) -> None:
        self._schedule.put(group.id, group.due_at())


def _has_something_left(occurrence: Occurrence, target: Target, *, is_told: bool) -> bool:
    """Tell whether a group has to say something of an alert that it told, or did not tell."""
    if target.step is not None and (occurrence.alert.is_event or not is_told):
        return False
    if occurrence.alert.is_event:
        return not is_told
    return is_told or occurrence.alert.status is AlertStatus.FIRING
