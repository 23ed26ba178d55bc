"""Whatever channels do, and however often they restart: nobody misses an end or hears twice."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.outbox.store import Outcome
from resumatch_monitor.dispatch.reading import DeliveryDetail, DeliveryQuery
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import (
    Attempt,
    FailureReason,
    Integration,
    NotifyError,
    Receipt,
)
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import make_alert, make_dispatcher, make_integration, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

Mood = Literal["takes", "busy", "refuses"]
Step = Literal["fire", "resolve", "minute", "quarter", "restart", "full disk"]
RECEIVERS = [
    ReceiverConfig(name="default", fallback="ops"),
    ReceiverConfig(name="ops", fallback="boss"),
    ReceiverConfig(name="boss"),
]
CONFIG = {
    "receivers": [{"name": each.name} for each in RECEIVERS],
    "route": {"receiver": "default", "group_by": ["alertname"], "group_wait": "0s"},
}


class Moody:
    """A destination that takes, or does not take, what it is sent, as it is told beforehand."""

    def __init__(self, moods: Sequence[Mood]) -> None:
        self.destination = "somewhere"
        self.taken: list[Notification] = []
        self.moods = list(moods)

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        mood = self.moods.pop(0) if self.moods else "takes"
        if mood == "busy":
            raise NotifyError("503", retryable=True, reason=FailureReason.SERVER_ERROR)
        if mood == "refuses":
            raise NotifyError("404", retryable=False, reason=FailureReason.CLIENT_ERROR)
        self.taken.append(notification)
        return Receipt(f"ok {attempt.key}")


class FullStore(SqlOutbox):
    """A store whose disk can be full for a write."""

    is_full = False

    @override
    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        if self.is_full:
            self.is_full = False
            raise OSError("the disk is full")
        await super().mark(delivery_id, outcome)


class World:
    """A receiver, its fallback, and the fallback of that."""

    def __init__(self, database: Database, moods: Sequence[Sequence[Mood]]) -> None:
        self.clock = FakeClock()
        self.store = FullStore(database)
        self.channels = [Moody(each) for each in moods]
        kinds = ("pagerduty", "email", "webhook")
        self.integrations = [
            Integration(make_integration(receiver=receiver.name, kind=kind).id, channel)
            for receiver, kind, channel in zip(RECEIVERS, kinds, self.channels, strict=True)
        ]
        self.dispatcher = make_dispatcher(
            database, self.clock, SequentialIds(), config=CONFIG, integrations=self.integrations
        )
        self.outbox = self.build_outbox()
        self.alert = make_alert()
        self.is_firing = False

    def build_outbox(self) -> Outbox:
        return Outbox(
            store=self.store,
            integrations=self.integrations,
            clock=self.clock,
            telemetry=Telemetry(),
            jitter=lambda: 1.0,
            receivers=RECEIVERS,
            last_resort="default",
        )

    async def take(self, step: Step) -> None:
        if step == "fire" and not self.is_firing:
            self.alert = make_alert(starts_at=self.clock.now())
            await self.dispatcher.put([self.alert])
            self.is_firing = True
        elif step == "resolve" and self.is_firing:
            await self.dispatcher.put([resolve(self.alert, self.clock.now())])
            self.is_firing = False
        elif step == "full disk":
            self.store.is_full = True
        elif step == "restart" and not self.store.is_full:
            self.outbox = self.build_outbox()
            await self.outbox.prepare()
        await self.clock.advance(900 if step == "quarter" else 60)
        await self.dispatcher.flush_due()
        try:
            await self.outbox.deliver_due()
        except OSError:
            # The supervisor starts the loop again.
            await self.outbox.deliver_due()


async def live(steps: Sequence[Step], moods: Sequence[Sequence[Mood]], path: Path) -> None:
    database = Database(path / "monitor.sqlite3")
    database.start()
    try:
        world = World(database, moods)
        await world.dispatcher.load()
        for step in steps:
            await world.take(step)
        await world.take("resolve")
        for channel in world.channels:
            channel.moods.clear()
        for _ in range(4):
            await world.take("quarter")
        await check(world)
    finally:
        database.stop()


async def check(world: World) -> None:
    records = await world.store.find_deliveries(DeliveryQuery(), before_id=None, limit=200)
    assert {each.status.value for each in records} <= {"sent", "superseded", "failed"}
    details = [await world.store.get_detail(each.id) for each in records]
    refused_ends = {
        (each.record.receiver, each.notification.thread_id)
        for each in details
        if each is not None and (each.record.status, each.record.kind) == ("failed", "resolved")
    }
    for receiver, channel in zip(RECEIVERS, world.channels, strict=True):
        ids = Counter(each.id for each in channel.taken)
        assert max(ids.values(), default=1) == 1, "heard twice"
        last = {each.thread_id: each for each in channel.taken}
        unended = {(receiver.name, thread) for thread, each in last.items() if each.firing_count}
        assert unended <= refused_ends, "never heard of the end"
    told = {each.id for channel in world.channels for each in channel.taken}
    for each in details:
        if each is not None and each.record.status == "failed":
            assert each.notification.id in told or _is_said_later(each, details), "lost"


def _is_said_later(lost: DeliveryDetail, details: Sequence[DeliveryDetail | None]) -> bool:
    """Tell whether a newer message took its place while it waited at a fallback."""
    return any(
        each is not None
        and each.notification.thread_id == lost.notification.thread_id
        and each.record.status == "superseded"
        and each.notification.id == lost.notification.id
        for each in details
    )


@settings(deadline=None, max_examples=12)
@given(
    steps=st.lists(
        st.sampled_from(["fire", "resolve", "minute", "quarter", "restart", "full disk"]),
        max_size=7,
    ),
    moods=st.tuples(
        *[st.lists(st.sampled_from(["takes", "busy", "refuses"]), max_size=6)] * 2, st.just([])
    ),
)
def test_nobody_misses_an_end_and_nobody_hears_twice(
    steps: list[Step], moods: tuple[list[Mood], list[Mood], list[Mood]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(live, steps, moods, Path(folder))
