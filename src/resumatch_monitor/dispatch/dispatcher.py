"""Takes alerts, keeps their groups, and puts what has to be said into the outbox.

Everything that is needed after a sudden end is in the store: the alerts, what was last said of
each group, and the outbox. Saying something and remembering that it was said is one transaction,
so at no moment can a crash lose a message or cause a second one.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.grouping.allotment import Allotter, Batch, Speech
from resumatch_monitor.dispatch.grouping.budget import HOUR, Budget
from resumatch_monitor.dispatch.grouping.circumstances import Circumstances
from resumatch_monitor.dispatch.grouping.compose import Composer, Dependents
from resumatch_monitor.dispatch.grouping.group import Group, gravity
from resumatch_monitor.dispatch.grouping.member import HUSHED
from resumatch_monitor.dispatch.grouping.registry import GroupView, Registry
from resumatch_monitor.dispatch.handling.handling import HandlingSource
from resumatch_monitor.dispatch.muting.mute import Mute, Muter
from resumatch_monitor.dispatch.muting.times import RouteTimes
from resumatch_monitor.dispatch.occurrences.changelog import log_changes
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.flapping import Change, Flapping
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.routing.route import Route, find_groups
from resumatch_monitor.dispatch.steady import SteadyTime
from resumatch_monitor.dispatch.store import DispatchStore, Flush
from resumatch_monitor.dispatch.telemetry import DispatchMetrics
from resumatch_monitor.dispatch.waiting import wait_for_signal
from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.notification import Notice
from resumatch_monitor.notify.notifier import Integration

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 60.0
# Thousands of groups must not hold up everything else on the event loop.
_YIELD_AFTER = 200
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
        muter: Muter | None = None,
        handlings: HandlingSource | None = None,
        route_times: RouteTimes | None = None,
        flapping: Flapping | None = None,
        dependents: Dependents | None = None,
        max_messages_per_hour: int = 0,
    ) -> None:
        self._store = store
        self.firing = FiringAlerts() if firing is None else firing
        self._route = route
        self._on_outbox_change = on_outbox_change
        self._clock = clock
        self._steady = SteadyTime(clock)
        self._composer = Composer(
            integrations=integrations,
            clock=clock,
            ids=ids,
            external_labels=external_labels,
            dependents=dependents,
        )
        self._flapping = flapping or Flapping(window=timedelta(hours=1), changes=0)
        self._budget = Budget(max_messages_per_hour)
        self._allotter = Allotter(
            budget=self._budget,
            composer=self._composer,
            keepers=[each.id for each in integrations if each.keeps_incidents],
        )
        self._groups = Registry(route, has_channel=self._has_channel)
        self._circumstances = Circumstances(
            muter=muter,
            handlings=handlings,
            route_times=route_times,
            flapping=self._flapping,
            find_group=self._groups.find,
            clock=clock,
            steady=self._steady,
        )
        self._is_loaded = False
        self._must_reconsider = False
        # Held while the store and the groups are brought to the same state.
        self._lock = asyncio.Lock()
        self._signal = asyncio.Event()
        self._metrics = DispatchMetrics(telemetry, count_groups=lambda: len(self._groups))

    @property
    def has_channel(self) -> bool:
        """Whether any alert can reach anybody outside the monitor's own pages."""
        return any(
            self._has_channel(route.receiver, route.channels) for route in self._route.walk()
        )

    def receivers_of(self, labels: Labels) -> list[str]:
        """Return the receivers that an alert with `labels` goes to at once."""
        return list(dict.fromkeys(group.receiver for group in find_groups(self._route, labels)))

    def mute_of(self, alert: Alert, now: datetime) -> Mute | None:
        """Return why `alert` is told nowhere for now; None if it is, or would be, told.

        Args:
            alert: Which.
            now: The wall time.
        """
        return self._circumstances.mute_everywhere(self._route, alert, now)

    def groups(self) -> list[GroupView]:
        """Return the groups about which something may have to be said, by receiver and key."""
        return self._groups.views(self._circumstances, self._steady.now())

    def reconsider(self) -> None:
        """Look at all groups again soon: what mutes alerts, or how they are handled, changed."""
        self._must_reconsider = True
        self._signal.set()

    async def put(self, alerts: Sequence[Alert]) -> None:
        """Take `alerts`; when this returns, they are durable."""
        if not alerts:
            return
        async with self._lock:
            reports = [_to_stored_form(alert) for alert in alerts]
            changed = await self._store.put(reports, at=self._clock.now())
            if self._is_loaded:
                self._take_in(changed)
        self._metrics.note_received(alerts)
        self._signal.set()

    async def close(self, occurrence_id: OccurrenceId, by: str, until: datetime) -> bool:
        """End one occurrence as `close_all` does; False if it does not fire."""
        return await self.close_all([occurrence_id], by, until) == 1

    async def close_all(
        self, occurrence_ids: Sequence[OccurrenceId], by: str, until: datetime
    ) -> int:
        """End occurrences in the name of a person; durable when this returns.

        Args:
            occurrence_ids: Which; those that do not fire stay as they are.
            by: Who.
            until: Until when, by the wall clock, reports of the same stretches are not heard.

        Returns:
            How many have ended.
        """
        async with self._lock:
            # As their sources would say it: what begins later is compared with it.
            at = from_milliseconds(to_milliseconds(self._clock.now()))
            closed = await self._store.close(occurrence_ids, at=at, until=until)
            if self._is_loaded:
                self._take_in(closed)
        if closed:
            logger.info(
                "%d alerts, %s first, were ended by %s", len(closed), closed[0].alert.name, by
            )
        self._signal.set()
        return len(closed)

    async def announce(
        self,
        notice: Notice,
        receivers: Collection[str],
        *,
        channels: Sequence[str] = (),
        is_drill: bool = False,
    ) -> list[str]:
        """Say something that is not an alert; in the outbox, durably, when this returns.

        Args:
            notice: What.
            receivers: To whom; one without integrations is passed over.
            channels: Kinds of the receivers' integrations; empty for all.
            is_drill: Whether it is said for practice.

        Returns:
            The ids of the notifications.
        """
        announcements = [
            announcement
            for receiver in dict.fromkeys(receivers)
            if (
                announcement := self._composer.announce(
                    notice, receiver, key="notice", channels=channels, is_drill=is_drill
                )
            ).deliveries
        ]
        if announcements:
            await self._store.record(
                [], settled=[], at=self._clock.now(), announcements=announcements
            )
            self._on_outbox_change()
        return [each.notification.id for each in announcements]

    async def load(self) -> None:
        """Rebuild the groups from the store."""
        async with self._lock:
            now, wall = self._steady.now(), self._clock.now()
            snapshot = await self._store.load(
                changed_since=wall - self._flapping.horizon, sent_since=wall - HOUR
            )
            self._budget.restore(snapshot.messages, now)
            self.firing.clear()
            self.firing.update(snapshot.occurrences)
            firing = [each for each in snapshot.occurrences if each.is_firing]
            self._flapping.restore(
                [
                    *snapshot.changes,
                    *(
                        Change(e.alert.fingerprint, e.alert.starts_at, is_firing=True)
                        for e in firing
                    ),
                ],
                now,
            )
            self._groups.restore(snapshot, now)
            self._is_loaded = True
            self._must_reconsider = True

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
        if self._must_reconsider:
            self._must_reconsider = False
            try:
                await self._reconsider()
            except Exception:
                self._must_reconsider = True
                raise
        while True:
            now = self._steady.now()
            self._groups.escalate(now, self._circumstances)
            allotment = self._allotter.allot(await self._decide_due(now), now)
            for group, until in allotment.waiting:
                self._groups.postpone(group, until)
            for batch in allotment.batches:
                await self._carry_out(batch, now)
            if not allotment.batches:
                if not self._groups.find_settled(()):
                    return self._groups.next_at
                await self._carry_out(Batch([]), now)

    async def _decide_due(self, now: datetime) -> list[Speech]:
        """Decide for the groups that are due; they stay queued until it is carried out."""
        speeches: list[Speech] = []
        for number, group in enumerate(self._groups.take_due(now), 1):
            if number % _YIELD_AFTER == 0:
                await asyncio.sleep(0)
            target = self._groups.target(group)
            decision = group.decide(now, self._circumstances.outlook(target, now))
            flush = self._composer.describe(group, target, decision, now)
            speeches.append(Speech(group, decision, flush))
        speeches.sort(key=_urgency)
        return speeches

    async def _carry_out(self, batch: Batch, now: datetime) -> None:
        settled = self._groups.find_settled(
            [(each.group, each.decision) for each in batch.speeches]
        )
        await self._store.record(
            [self._to_stored_flush(each.flush) for each in batch.speeches],
            settled=[occurrence.id for occurrence in settled],
            at=self._clock.now(),
            announcements=batch.announcements,
        )
        for each in batch.speeches:
            self._groups.apply(each.group, each.decision, each.flush, now)
            self._metrics.note_held(each.decision)
        self._groups.settle(settled)
        self._allotter.note(batch, now)
        if batch.receiver:
            self._metrics.note_summarised(batch.receiver, len(batch.speeches))
        if batch.announcements or any(each.flush.deliveries for each in batch.speeches):
            self._on_outbox_change()

    async def _reconsider(self) -> None:
        """Note, durably, what people have muted after it was told: it is told anew one day."""
        now = self._steady.now()
        found: list[tuple[Group, list[str]]] = []
        for number, group in enumerate(list(self._groups), 1):
            if number % _YIELD_AFTER == 0:
                await asyncio.sleep(0)
            outlook = self._circumstances.outlook(self._groups.target(group), now)
            if keys := group.find_hushed(outlook):
                found.append((group, keys))
        if found:
            flushes = [
                self._to_stored_flush(_describe_hush(group, keys, now)) for group, keys in found
            ]
            await self._store.record(flushes, settled=[], at=self._clock.now())
        for group, keys in found:
            self._groups.hush(group, keys, now)
        self._groups.add_turns()

    def _to_stored_flush(self, flush: Flush) -> Flush:
        return replace(flush, anchor_at=self._steady.to_wall(flush.anchor_at))

    def _take_in(self, changed: Sequence[Occurrence]) -> None:
        now = self._steady.now()
        log_changes(changed, self.firing)
        self.firing.update(changed)
        self._flapping.observe(changed, now)
        self._groups.place(changed, now)

    def _has_channel(self, receiver: str, channels: Sequence[str]) -> bool:
        return bool(self._composer.integrations_of(receiver, channels))


def _describe_hush(group: Group, keys: Sequence[str], now: datetime) -> Flush:
    return Flush(
        group_id=group.id,
        anchor_at=group.anchor_at or now,
        told=[key + HUSHED for key in keys],
        untold=[],
        is_over=False,
        notified=[],
        notification=None,
        deliveries=[],
    )


def _urgency(speech: Speech) -> tuple[int, float, str, str]:
    """Put the gravest first, and last what says nothing."""
    rank, at = 9, 0.0
    if speech.decision.told:
        rank, starts_at, _ = gravity(speech.decision.told[0])
        at = starts_at.timestamp()
    return rank, at, speech.group.id.receiver, speech.group.id.key


def _to_stored_form(alert: Alert) -> Alert:
    """Cut times to what the store keeps, so that they compare equal after a restart."""
    ends_at = None if alert.ends_at is None else from_milliseconds(to_milliseconds(alert.ends_at))
    return replace(
        alert,
        annotations={name: text[:_LONGEST_ANNOTATION] for name, text in alert.annotations.items()},
        starts_at=from_milliseconds(to_milliseconds(alert.starts_at)),
        ends_at=ends_at,
    )
