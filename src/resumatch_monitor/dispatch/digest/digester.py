"""Makes digests when they are due, each exactly once and only when there is something to say."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.dispatch.digest.calendar import Calendar
from resumatch_monitor.dispatch.digest.content import Period, compose, tally
from resumatch_monitor.dispatch.digest.store import DigestRecord, DigestStore
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.notification import build_notice
from resumatch_monitor.notify.notifier import Integration

logger = logging.getLogger(__name__)

MOST_OCCURRENCES = 20_000
"""Occurrences that a digest counts; the others are said to be there."""

_LONGEST_PAUSE_SECONDS = 60.0
_KEEP = timedelta(days=400)
# Routing thousands of alerts must not hold up everything else on the event loop.
_YIELD_AFTER = 500


class Taker(Protocol):
    """Tells whether an alert belongs to a digest."""

    def __call__(self, labels: Labels) -> bool: ...


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """A digest that is made again and again.

    Attributes:
        name: Names it in the store: the receiver, the schedule and the channels.
        word: `daily` or `weekly`.
        takes: Whether the routing tree leads an alert with these labels here.
        integrations: What it is sent through.
    """

    name: str
    receiver: str
    word: str
    calendar: Calendar
    takes: Taker
    integrations: Sequence[Integration]


class Digester:
    """Follows the plans. A period that the monitor slept through is told when it wakes."""

    def __init__(
        self,
        *,
        plans: Sequence[DigestPlan],
        store: DigestStore,
        on_outbox_change: Callable[[], None],
        clock: Clock,
        ids: Ids,
        external_labels: Labels = NO_LABELS,
    ) -> None:
        self._plans = tuple(plans)
        self._store = store
        self._on_outbox_change = on_outbox_change
        self._clock = clock
        self._ids = ids
        self._external_labels = external_labels

    @property
    def plans(self) -> tuple[DigestPlan, ...]:
        """What is made."""
        return self._plans

    async def run(self) -> None:
        """Make what is due, for ever."""
        while True:
            await self.make_due()
            now = self._clock.now()
            pauses = [(plan.calendar.next(now) - now).total_seconds() for plan in self._plans]
            # Not longer than a while: the wall clock may be set meanwhile.
            await self._clock.sleep(min([*pauses, _LONGEST_PAUSE_SECONDS]))

    async def make_due(self) -> None:
        """Make every digest whose time has come."""
        for plan in self._plans:
            await self._follow(plan)

    async def _follow(self, plan: DigestPlan) -> None:
        now = self._clock.now()
        last = await self._store.last(plan.name, until=now)
        if last is None:
            # The first digest tells what happens from now on.
            await self._store.record(DigestRecord(plan.name, now, now, now), None, ())
            return
        due_at = plan.calendar.latest(now)
        if last.ends_at < due_at:
            await self._make(plan, last, due_at)

    async def _make(self, plan: DigestPlan, last: DigestRecord, due_at: datetime) -> None:
        period = Period(last.ends_at, due_at, plan.calendar.zone, plan.word)
        found = await self._store.list_occurrences(
            period.starts_at, period.ends_at, limit=MOST_OCCURRENCES + 1
        )
        is_cut = len(found) > MOST_OCCURRENCES
        tallies = tally(await self._select(plan, found[:MOST_OCCURRENCES]), period)
        notice = (
            compose(tallies, period=period, before=last.counts, is_cut=is_cut) if tallies else None
        )
        notification = None
        if notice is not None:
            notification = build_notice(
                notice,
                notification_id=self._ids.uuid(),
                receiver=plan.receiver,
                group_key=f"digest/{plan.name}",
                created_at=self._clock.now(),
                external_labels=self._external_labels,
            )
        record = DigestRecord(
            name=plan.name,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            created_at=self._clock.now(),
            notification_id="" if notification is None else notification.id,
            counts={each.name: each.count for each in tallies},
        )
        deliveries = [NewDelivery(each.id, each.notifier.destination) for each in plan.integrations]
        if await self._store.record(record, notification, deliveries) and notification:
            self._on_outbox_change()
        await self._store.prune_digests(due_at - _KEEP)

    async def _select(
        self, plan: DigestPlan, occurrences: Sequence[Occurrence]
    ) -> list[Occurrence]:
        selected: list[Occurrence] = []
        for number, occurrence in enumerate(occurrences):
            if number % _YIELD_AFTER == _YIELD_AFTER - 1:
                await asyncio.sleep(0)
            if plan.takes(occurrence.alert.labels):
                selected.append(occurrence)
        return selected
