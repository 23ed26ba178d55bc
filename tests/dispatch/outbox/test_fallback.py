"""Deliveries that fail for good, and where they go instead."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.outbox.store import Outcome
from resumatch_monitor.dispatch.reading import DeliveryQuery
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notifier import FailureReason, Integration, NotifyError
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import (
    Recorder,
    make_alert,
    make_dispatcher,
    make_integration,
    resolve,
)
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

UNAVAILABLE = NotifyError("503 busy", retryable=True, reason=FailureReason.SERVER_ERROR)
REFUSED = NotifyError("404 gone", retryable=False, reason=FailureReason.CLIENT_ERROR)
ALERT = make_alert()
ROUTE = {"receiver": "default", "group_by": ["alertname"], "group_wait": "0s"}


class Scene:
    """The receiver `default`, its fallback `ops`, and the fallback of that, `boss`."""

    def __init__(self, database: Database, clock: FakeClock, ids: SequentialIds) -> None:
        self.page, self.mail, self.call = Recorder(), Recorder(), Recorder()
        self.clock = clock
        self.database = database
        self.store = SqlOutbox(database)
        self.integrations = [
            make_integration(self.page, kind="pagerduty"),
            make_integration(self.mail, receiver="ops", kind="email"),
            make_integration(self.call, receiver="boss", kind="webhook"),
        ]
        receivers = [
            ReceiverConfig(name="default", fallback="ops"),
            ReceiverConfig(name="ops", fallback="boss"),
            ReceiverConfig(name="boss"),
        ]
        config: dict[str, Any] = {
            "receivers": [each.model_dump() for each in receivers],
            "route": {**ROUTE, "group_interval": "1m", "repeat_interval": "4h"},
        }
        self.dispatcher = make_dispatcher(
            database, clock, ids, config=config, integrations=self.integrations
        )
        self.receivers = receivers
        self.outbox = self.build_outbox(self.integrations)

    def build_outbox(self, integrations: Sequence[Integration]) -> Outbox:
        return Outbox(
            store=self.store,
            integrations=integrations,
            clock=self.clock,
            telemetry=Telemetry(),
            jitter=lambda: 1.0,
            receivers=self.receivers,
            last_resort="boss",
        )

    async def tell(self, *alerts: Alert, after: float = 0) -> None:
        await self.dispatcher.load()
        await self.dispatcher.put(list(alerts))
        await self.clock.advance(after)
        await self.dispatcher.flush_due()

    async def deliver(self, after: float = 0) -> None:
        await self.clock.advance(after)
        await self.outbox.deliver_due()

    async def ways(self) -> list[tuple[str, str, list[str]]]:
        """Return each delivery's integration, status and steps, the oldest first."""
        found = await self.store.find_deliveries(DeliveryQuery(), before_id=None, limit=50)
        details = [await self.store.get_detail(each.id) for each in reversed(found)]
        return [
            (
                f"{each.record.receiver}/{each.record.integration}",
                each.record.status.value,
                [step.kind.value for step in each.steps],
            )
            for each in details
            if each is not None
        ]


@pytest.fixture
def scene(database: Database, clock: FakeClock, ids: SequentialIds) -> Scene:
    return Scene(database, clock, ids)


async def test_the_fallback_is_told_at_once_though_its_worker_sleeps(scene: Scene) -> None:
    scene.page.failures = [REFUSED]
    loops = [asyncio.ensure_future(loop()) for loop in scene.outbox.loops().values()]
    await scene.clock.advance(1)
    await scene.tell(ALERT)

    scene.outbox.wake()
    with suppress(TimeoutError):
        await asyncio.wait_for(scene.mail.heard.wait(), 10)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)

    assert len(scene.mail.sent) == 1


async def test_what_failed_for_good_goes_to_the_fallback_and_says_why(scene: Scene) -> None:
    scene.page.failures = [REFUSED]
    await scene.tell(ALERT)

    await scene.deliver()

    assert [each.kind for each in scene.mail.sent] == ["firing"]
    assert scene.mail.sent[0].mute_note == (
        "Sent here because pagerduty of default could not be reached: 404 gone"
    )
    assert scene.call.sent == []
    assert await scene.ways() == [
        ("default/pagerduty", "failed", ["queued", "failed", "fell_back"]),
        ("ops/email", "sent", ["queued", "accepted"]),
    ]
    first, second = (await scene.store.list_deliveries(limit=9))[::-1]
    assert (first.heir_ids, second.origin_id) == ([second.id], first.id)


async def test_a_fallback_that_fails_has_a_fallback(scene: Scene) -> None:
    scene.page.failures, scene.mail.failures = [REFUSED], [REFUSED]
    await scene.tell(ALERT)

    await scene.deliver()

    assert len(scene.call.sent) == 1
    assert [way[1] for way in await scene.ways()] == ["failed", "failed", "sent"]


async def test_a_destination_that_is_out_of_order_has_five_minutes(scene: Scene) -> None:
    scene.page.failures = [UNAVAILABLE] * 400
    await scene.tell(ALERT)

    for _ in range(29):
        await scene.deliver(after=10)
    assert scene.mail.sent == []
    for _ in range(40):
        await scene.deliver(after=10)

    assert len(scene.mail.sent) == 1
    (first, _) = await scene.ways()
    assert first[2].count("attempt_failed") >= 6
    assert first[2][-2:] == ["failed", "fell_back"]
    assert "given up after" in (await scene.store.list_deliveries(limit=9))[-1].last_error


async def test_who_was_told_the_beginning_is_told_the_end(scene: Scene) -> None:
    scene.page.failures = [REFUSED]
    await scene.tell(ALERT)
    await scene.deliver()

    await scene.tell(resolve(ALERT, scene.clock.now()), after=60)
    await scene.deliver()
    await scene.deliver()

    assert [each.kind for each in scene.page.sent] == ["resolved"]
    assert [each.kind for each in scene.mail.sent] == ["firing", "resolved"]
    assert scene.mail.sent[1].mute_note == ""


async def test_the_next_incident_is_the_first_ones_business_again(scene: Scene) -> None:
    scene.page.failures = [REFUSED]
    await scene.tell(ALERT)
    await scene.deliver()
    await scene.tell(resolve(ALERT, scene.clock.now()), after=60)
    await scene.deliver()

    again = make_alert(starts_at=scene.clock.now() + timedelta(minutes=5))
    await scene.clock.advance(300)
    await scene.tell(again)
    await scene.deliver()

    assert len(scene.page.sent) == 2
    assert len(scene.mail.sent) == 2


async def test_nothing_goes_to_anybody_twice(scene: Scene) -> None:
    scene.page.failures = [REFUSED, REFUSED]
    await scene.tell(ALERT)
    await scene.deliver()
    await scene.store.requeue(1, at=scene.clock.now())

    await scene.deliver()
    await scene.deliver()

    assert len(scene.mail.sent) == 1


async def test_a_crash_between_failure_and_fallback_loses_nothing(scene: Scene) -> None:
    await scene.tell(ALERT)
    now = scene.clock.now()
    heirs = scene.outbox._list_heirs("ops")[:1]  # pyright: ignore[reportPrivateUsage]
    await scene.store.mark(1, Outcome(now, is_sent=False, error="404", heirs=tuple(heirs)))

    await scene.build_outbox(scene.integrations).deliver_due()

    assert len(scene.mail.sent) == 1


async def test_what_waited_for_an_integration_that_is_gone_goes_to_the_fallback(
    scene: Scene,
) -> None:
    scene.page.failures = [UNAVAILABLE]
    await scene.tell(ALERT)
    await scene.deliver()

    restarted = scene.build_outbox(scene.integrations[1:])
    await restarted.prepare()
    await restarted.deliver_due()

    assert [way[:2] for way in await scene.ways()] == [
        ("default/pagerduty", "failed"),
        ("boss/webhook", "sent"),
    ]


async def test_what_waited_for_a_channel_of_a_receiver_goes_to_its_others(scene: Scene) -> None:
    await scene.tell(ALERT)
    replaced = [make_integration(scene.call, kind="webhook"), *scene.integrations[1:2]]

    restarted = scene.build_outbox(replaced)
    await restarted.prepare()
    await restarted.deliver_due()

    assert len(scene.call.sent) == 1
    assert len(scene.mail.sent) == 1


async def test_a_fallback_that_wants_no_end_is_told_none(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    scene = Scene(database, clock, ids)
    quiet = make_integration(scene.mail, receiver="ops", kind="email", send_resolved=False)
    scene.outbox = scene.build_outbox([scene.integrations[0], quiet])
    scene.page.failures = [REFUSED]
    await scene.tell(ALERT)
    await scene.deliver()

    await scene.tell(resolve(ALERT, scene.clock.now()), after=60)
    await scene.deliver()

    assert [each.kind for each in scene.mail.sent] == ["firing"]


class FullOnce(SqlOutbox):
    """A store whose disk is full once."""

    _is_full = True

    @override
    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        if self._is_full:
            self._is_full = False
            raise OSError("the disk is full")
        await super().mark(delivery_id, outcome)


async def test_a_failure_that_could_not_be_written_down_still_falls_back_once(
    scene: Scene,
) -> None:
    scene.page.failures = [REFUSED]
    scene.store = FullOnce(scene.database)
    scene.outbox = scene.build_outbox(scene.integrations)
    await scene.tell(ALERT)

    with pytest.raises(OSError, match="full"):
        await scene.outbox.deliver_due()
    await scene.deliver()

    assert len(scene.page.attempts) == 1
    assert len(scene.mail.sent) == 1
