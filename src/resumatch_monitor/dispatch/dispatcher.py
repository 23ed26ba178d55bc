"""Takes alerts, keeps their groups, and puts what has to be said into the outbox.

Everything that is needed after a sudden end is in the store: the alerts, what was last said of
each group, and the outbox. Saying something and remembering that it was said is one transaction,
so at no moment can a crash lose a message or cause a second one.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from prometheus_client import Counter, Gauge

from resumatch_monitor.alerts.alert import Alert, AlertSource, AlertStatus
from resumatch_monitor.dispatch.firing import FiringAlerts
from resumatch_monitor.dispatch.group import Decision, Group, Reason, member_key
from resumatch_monitor.dispatch.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.route import GroupId, Route, find_groups
from resumatch_monitor.dispatch.steady import SteadyTime
from resumatch_monitor.dispatch.store import (
    DispatchStore,
    Flush,
    NewDelivery,
    Snapshot,
)
from resumatch_monitor.dispatch.waiting import wait_for_signal
from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.notification import Notification, split_alerts
from resumatch_monitor.notify.notifier import Integration

logger = logging.getLogger(__name__)

_MOST_FLUSHES = 200
"""Groups that speak in one transaction; the others of the same moment follow at once."""

_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_ANNOTATION = 4096


class Dispatcher:
    """The `AlertSink` of the whole process."""

    def __init__(
        self,
        *,
        store: DispatchStore,
        route: Route,
        integrations: Sequence[Integration],
        on_outbox_change: Callable[[], None],
        clock: Clock,
        ids: Ids,
        telemetry: Telemetry,
        external_labels: Labels = NO_LABELS,
        firing: FiringAlerts | None = None,
    ) -> None:
        self._store = store
        self.firing = FiringAlerts() if firing is None else firing
        self._route = route
        self._integrations = _by_receiver(integrations)
        self._on_outbox_change = on_outbox_change
        self._clock = clock
        self._steady = SteadyTime(clock)
        self._ids = ids
        self._external_labels = external_labels
        self._groups: dict[GroupId, Group] = {}
        # A heap of moments; an entry whose moment is not the one in `_queued` is out of date.
        self._due: list[tuple[datetime, str, str]] = []
        self._queued: dict[GroupId, datetime] = {}
        self._finished: dict[OccurrenceId, Occurrence] = {}
        self._is_loaded = False
        # Held while the store and the groups are brought to the same state.
        self._lock = asyncio.Lock()
        self._signal = asyncio.Event()
        self._received = Counter(
            "resumatch_monitor_alerts_received_total",
            "Reports of alerts, repeated ones included.",
            ["source", "status"],
            registry=telemetry.registry,
        )
        for source in AlertSource:
            for status in AlertStatus:
                self._received.labels(source.value, status.value)
        groups = Gauge(
            "resumatch_monitor_alert_groups",
            "Groups of alerts about which something may have to be said.",
            registry=telemetry.registry,
        )
        groups.set_function(lambda: len(self._groups))

    @property
    def has_channel(self) -> bool:
        """Whether any alert can reach anybody outside the monitor's own pages."""
        return any(self._integrations.get(route.receiver) for route in self._route.walk())

    def receivers_of(self, labels: Labels) -> list[str]:
        """Return the receivers that an alert with `labels` goes to."""
        return list(dict.fromkeys(group.receiver for group in find_groups(self._route, labels)))

    async def put(self, alerts: Sequence[Alert]) -> None:
        """Take `alerts`; when this returns, they are durable."""
        if not alerts:
            return
        async with self._lock:
            changed = await self._store.put(
                [_to_stored_form(alert) for alert in alerts], at=self._steady.now()
            )
            if self._is_loaded:
                self.firing.update(changed)
                self._place(changed)
        for alert in alerts:
            self._received.labels(alert.source.value, alert.status.value).inc()
        self._signal.set()

    async def load(self) -> None:
        """Rebuild the groups from the store."""
        async with self._lock:
            snapshot = await self._store.load()
            self._groups.clear()
            self._due.clear()
            self._queued.clear()
            self._finished.clear()
            self.firing.clear()
            self.firing.update(snapshot.occurrences)
            self._restore(snapshot)
            self._is_loaded = True

    async def run(self) -> None:
        """Flush what is due, for ever."""
        if not self._is_loaded:
            await self.load()
        while True:
            due_at = await self.flush_due()
            pause_seconds = _LONGEST_PAUSE_SECONDS
            if due_at is not None:
                pause_seconds = (due_at - self._steady.now()).total_seconds()
            await wait_for_signal(
                self._signal,
                seconds=min(max(pause_seconds, 0), _LONGEST_PAUSE_SECONDS),
                clock=self._clock,
            )

    async def flush_due(self) -> datetime | None:
        """Say everything that is due; return when the next thing will be."""
        while True:
            now = self._steady.now()
            flushes = self._take_due(now)
            settled = self._find_settled(flushes)
            if not flushes and not settled:
                return self._due[0][0] if self._due else None
            await self._carry_out(flushes, settled, now)

    def _take_due(self, now: datetime) -> list[tuple[Group, Decision]]:
        """Decide for the groups that are due; they stay queued until it is carried out."""
        flushes: dict[GroupId, tuple[Group, Decision]] = {}
        taken: list[tuple[datetime, str, str]] = []
        while self._due and self._due[0][0] <= now and len(flushes) < _MOST_FLUSHES:
            entry = heapq.heappop(self._due)
            group = self._groups.get(GroupId(entry[1], entry[2]))
            if group is None or group.id in flushes or self._queued.get(group.id) != entry[0]:
                continue
            due_at = group.due_at()
            if due_at is None or due_at > now:
                self._queue(group)
                continue
            taken.append(entry)
            flushes[group.id] = (group, group.decide(now))
        for entry in taken:
            heapq.heappush(self._due, entry)
        return list(flushes.values())

    def _find_settled(self, flushes: Sequence[tuple[Group, Decision]]) -> list[Occurrence]:
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

    def _owners(self, occurrence: Occurrence) -> set[GroupId]:
        return {
            group_id
            for group_id in find_groups(self._route, occurrence.alert.labels)
            if (group := self._groups.get(group_id)) is not None and group.has(occurrence)
        }

    async def _carry_out(
        self,
        flushes: Sequence[tuple[Group, Decision]],
        settled: Sequence[Occurrence],
        now: datetime,
    ) -> None:
        records = [self._describe(group, decision, now) for group, decision in flushes]
        await self._store.record(
            records, settled=[occurrence.id for occurrence in settled], at=self._clock.now()
        )
        for (group, decision), record in zip(flushes, records, strict=True):
            group.apply(decision, now)
            if record.notification is not None and not decision.is_over:
                group.thread_id = record.notification.thread_id
            if group.is_empty:
                del self._groups[group.id]
                self._queued.pop(group.id, None)
            else:
                self._queue(group)
        for occurrence in settled:
            self._finished.pop(occurrence.id, None)
        if any(record.deliveries for record in records):
            self._on_outbox_change()

    def _describe(self, group: Group, decision: Decision, now: datetime) -> Flush:
        notification = self._compose(group, decision) if decision.told else None
        ended = [each for each in decision.leaving if not each.alert.is_event]
        return Flush(
            group_id=group.id,
            anchor_at=now,
            told=[
                member_key(each)
                for each in decision.told
                if each.alert.ends_at is None and decision.reason is not Reason.REPEAT
            ],
            untold=[member_key(each) for each in ended],
            is_over=decision.is_over,
            notified=[each.id for each in decision.told],
            notification=notification,
            deliveries=[] if notification is None else self._address(group, decision),
        )

    def _compose(self, group: Group, decision: Decision) -> Notification:
        notification_id = self._ids.uuid()
        alerts, firing_count, resolved_count = split_alerts([each.alert for each in decision.told])
        return Notification(
            id=notification_id,
            thread_id=group.thread_id or notification_id,
            receiver=group.id.receiver,
            group_key=group.id.key,
            group_labels=group.labels,
            alerts=alerts,
            firing_count=firing_count,
            resolved_count=resolved_count,
            created_at=self._clock.now(),
            is_repeat=decision.reason is Reason.REPEAT,
            external_labels=self._external_labels,
        )

    def _address(self, group: Group, decision: Decision) -> list[NewDelivery]:
        return [
            NewDelivery(integration.id, integration.notifier.destination)
            for integration in self._integrations.get(group.id.receiver, ())
            if integration.send_resolved or decision.reason is not Reason.RESOLVED
        ]

    def _place(self, occurrences: Sequence[Occurrence]) -> None:
        now = self._steady.now()
        touched: dict[GroupId, Group] = {}
        for occurrence in occurrences:
            is_owned = False
            for group_id, route in find_groups(self._route, occurrence.alert.labels).items():
                group = self._find_group(group_id, route, occurrence)
                if group is not None:
                    group.place(occurrence, now)
                    touched[group_id] = group
                    is_owned = True
            if not is_owned and not occurrence.is_firing:
                self._finished[occurrence.id] = occurrence
        for group in touched.values():
            self._queue(group)

    def _find_group(self, group_id: GroupId, route: Route, occurrence: Occurrence) -> Group | None:
        """Return the group that has to hear of `occurrence`, if any has to."""
        if occurrence.alert.status is AlertStatus.RESOLVED:
            # Nobody was told that it fires, so nobody needs to hear that it does not.
            group = self._groups.get(group_id)
            return group if group is not None and group.knows(occurrence) else None
        return self._open_group(group_id, route, occurrence)

    def _open_group(self, group_id: GroupId, route: Route, occurrence: Occurrence) -> Group | None:
        """Return the group, which begins if it is not there; None if nobody would hear of it."""
        if not self._integrations.get(group_id.receiver):
            return None
        group = self._groups.get(group_id)
        if group is None:
            labels = route.group_labels(occurrence.alert.labels)
            group = self._groups[group_id] = Group(group_id, labels=labels, timing=route.timing)
        return group

    def _restore(self, snapshot: Snapshot) -> None:
        now = self._steady.now()
        for occurrence in snapshot.occurrences:
            for group_id, route in find_groups(self._route, occurrence.alert.labels).items():
                is_told = member_key(occurrence) in snapshot.told.get(group_id, ())
                # A group has something left to say about what it told, unless it was an event,
                # and about what it did not tell, unless that is over.
                if is_told == occurrence.alert.is_event and (
                    is_told or occurrence.alert.status is AlertStatus.RESOLVED
                ):
                    continue
                group = self._open_group(group_id, route, occurrence)
                if group is not None:
                    # A clock that was set back must not make a timer hang in the future.
                    group.place(occurrence, min(occurrence.received_at, now))
        for group_id, group in self._groups.items():
            state = snapshot.groups.get(group_id)
            if state is not None:
                group.restore(
                    anchor_at=min(state.anchor_at, now),
                    notified_at=min(state.notified_at, now),
                    thread_id=state.thread_id,
                    told=snapshot.told.get(group_id, frozenset()),
                )
            self._queue(group)
        for occurrence in snapshot.occurrences:
            if not occurrence.is_firing and not self._owners(occurrence):
                self._finished[occurrence.id] = occurrence

    def _queue(self, group: Group) -> None:
        due_at = group.due_at()
        if due_at is not None and self._queued.get(group.id) != due_at:
            self._queued[group.id] = due_at
            heapq.heappush(self._due, (due_at, group.id.receiver, group.id.key))


def _by_receiver(integrations: Sequence[Integration]) -> dict[str, list[Integration]]:
    found: dict[str, list[Integration]] = {}
    for integration in integrations:
        found.setdefault(integration.id.receiver, []).append(integration)
    return found


def _to_stored_form(alert: Alert) -> Alert:
    """Cut times to what the store keeps, so that they compare equal after a restart."""
    ends_at = None if alert.ends_at is None else from_milliseconds(to_milliseconds(alert.ends_at))
    return replace(
        alert,
        annotations={name: text[:_LONGEST_ANNOTATION] for name, text in alert.annotations.items()},
        starts_at=from_milliseconds(to_milliseconds(alert.starts_at)),
        ends_at=ends_at,
    )
