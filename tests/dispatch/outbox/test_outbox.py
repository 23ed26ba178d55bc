import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest
from typing_extensions import override

from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.outbox.retention import Retention
from resumatch_monitor.dispatch.outbox.store import OutboxStore, Outcome
from resumatch_monitor.dispatch.reading import DeliveryRecord, DeliveryStatus
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import (
    Attempt,
    FailureReason,
    Integration,
    NotifyError,
    Receipt,
)
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import (
    START,
    Recorder,
    make_alert,
    make_dispatcher,
    make_integration,
    resolve,
)
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

UNAVAILABLE = NotifyError("503", retryable=True, reason=FailureReason.SERVER_ERROR)
REFUSED = NotifyError("404", retryable=False, reason=FailureReason.CLIENT_ERROR)
ALERT = make_alert()


def make_outbox(
    database: Database,
    clock: FakeClock,
    integrations: Sequence[Integration],
    telemetry: Telemetry | None = None,
    store: OutboxStore | None = None,
) -> Outbox:
    return Outbox(
        store=store or SqlOutbox(database),
        integrations=integrations,
        clock=clock,
        telemetry=telemetry or Telemetry(),
        jitter=lambda: 1.0,
    )


class Scene:
    """A dispatcher and an outbox with one recording destination."""

    def __init__(self, database: Database, clock: FakeClock, ids: SequentialIds) -> None:
        self.recorder = Recorder()
        self.telemetry = Telemetry()
        self.clock = clock
        self.store = SqlOutbox(database)
        self.alerts = SqlAlerts(database)
        integrations = [make_integration(self.recorder)]
        self.dispatcher = make_dispatcher(database, clock, ids, integrations=integrations)
        self.outbox = make_outbox(database, clock, integrations, self.telemetry)

    async def tell(self, *alerts: object, after: float = 0) -> None:
        await self.dispatcher.load()
        await self.dispatcher.put([each for each in alerts if isinstance(each, type(ALERT))])
        await self.clock.advance(after)
        await self.dispatcher.flush_due()

    async def deliver(self, after: float = 0) -> None:
        await self.clock.advance(after)
        await self.outbox.deliver_due()

    async def records(self) -> list[DeliveryRecord]:
        return (await self.store.list_deliveries(limit=50))[::-1]

    async def statuses(self) -> list[str]:
        return [each.status.value for each in await self.records()]

    def metric(self, name: str, **labels: str) -> float | None:
        where = {"receiver": "default", "integration": "webhook", **labels}
        return self.telemetry.registry.get_sample_value(f"resumatch_monitor_{name}", where)


@pytest.fixture
def scene(database: Database, clock: FakeClock, ids: SequentialIds) -> Scene:
    return Scene(database, clock, ids)


async def test_delivers_once_and_says_so(scene: Scene) -> None:
    await scene.tell(ALERT)

    await scene.deliver()
    await scene.deliver()

    assert len(scene.recorder.sent) == 1
    assert scene.recorder.sent[0].alerts[0] == ALERT
    record = (await scene.records())[0]
    assert (record.status, record.attempts, record.sent_at) == ("sent", 1, START)
    assert scene.metric("notifications_total") == 1
    assert scene.metric("notification_last_success_timestamp_seconds") == START.timestamp()


async def test_retries_with_growing_pauses_and_the_same_key(scene: Scene) -> None:
    scene.recorder.failures = [UNAVAILABLE] * 3
    await scene.tell(ALERT)

    for pause_seconds in (0, 1, 2, 4):
        await scene.deliver(after=pause_seconds - 0.01 if pause_seconds else 0)
        await scene.deliver(after=0.01)

    assert len(scene.recorder.attempts) == 4
    assert len({attempt.key for attempt in scene.recorder.attempts}) == 1
    assert (await scene.statuses()) == ["sent"]
    reason = FailureReason.SERVER_ERROR.value
    assert scene.metric("notification_attempts_failed_total", reason=reason) == 3
    assert scene.metric("notifications_failed_total", reason=reason) == 0


async def test_retries_survive_a_restart(scene: Scene, database: Database) -> None:
    scene.recorder.failures = [UNAVAILABLE]
    await scene.tell(ALERT)
    await scene.deliver()

    restarted = make_outbox(database, scene.clock, [make_integration(scene.recorder)])
    await restarted.prepare()
    await scene.clock.advance(1)
    await restarted.deliver_due()

    assert await scene.statuses() == ["sent"]


async def test_a_permanent_error_fails_at_once_and_is_shown(scene: Scene) -> None:
    scene.recorder.failures = [REFUSED]
    await scene.tell(ALERT)

    await scene.deliver()

    record = (await scene.records())[0]
    assert (record.status, record.last_error) == ("failed", "404")
    assert await scene.store.count_failed(START) == 1
    assert scene.metric("notifications_failed_total", reason="client_error") == 1


async def test_a_person_can_have_a_failed_one_sent_again(scene: Scene) -> None:
    scene.recorder.failures = [REFUSED]
    await scene.tell(ALERT)
    await scene.deliver()
    delivery_id = (await scene.records())[0].id

    assert await scene.store.requeue(delivery_id, at=scene.clock.now())
    assert not await scene.store.requeue(delivery_id, at=scene.clock.now())
    await scene.deliver()

    assert await scene.statuses() == ["sent"]


async def test_honours_retry_after_for_all_messages_to_the_destination(scene: Scene) -> None:
    limited = NotifyError(
        "429", retryable=True, reason=FailureReason.RATE_LIMITED, retry_after_seconds=30
    )
    scene.recorder.failures = [limited]
    await scene.tell(ALERT)
    await scene.deliver()
    await scene.tell(make_alert("Other"))

    await scene.deliver(after=29)
    assert scene.recorder.sent == []
    await scene.deliver(after=1)

    assert len(scene.recorder.sent) == 2


async def test_gives_up_after_a_day_and_says_so(scene: Scene) -> None:
    scene.recorder.failures = [UNAVAILABLE] * 400
    await scene.tell(ALERT)

    for _ in range(25):
        await scene.deliver(after=3600)

    record = (await scene.records())[0]
    assert record.status is DeliveryStatus.FAILED
    assert record.last_error.startswith("given up after")
    assert scene.metric("notifications_failed_total", reason="expired") == 1


async def test_a_newer_message_that_says_it_all_replaces_a_waiting_one(scene: Scene) -> None:
    scene.recorder.failures = [UNAVAILABLE]
    await scene.tell(ALERT)
    await scene.deliver()

    await scene.tell(resolve(ALERT, START), after=60)
    await scene.deliver()

    assert await scene.statuses() == ["superseded", "sent"]
    assert [each.kind for each in scene.recorder.sent] == ["resolved"]


async def test_a_resolve_that_waits_is_not_lost_to_a_newer_message(scene: Scene) -> None:
    first, second = make_alert(instance="a"), make_alert(instance="b")
    scene.recorder.failures = [None, UNAVAILABLE]
    await scene.tell(first)
    await scene.tell(second, after=60)
    await scene.deliver()
    await scene.tell(resolve(first, START), after=60)
    await scene.deliver()
    third = make_alert(instance="c")
    await scene.tell(third, after=60)
    await scene.deliver(after=60)

    told = [
        [(alert.labels.get("instance"), alert.status.value) for alert in each.alerts]
        for each in scene.recorder.sent
    ]
    assert ("a", "resolved") in [each for message in told for each in message]
    assert ("c", "firing") in told[-1]


async def test_an_event_that_waits_is_never_replaced(scene: Scene) -> None:
    event = make_alert("NewIssue", severity="critical", is_event=True)
    scene.recorder.failures = [UNAVAILABLE]
    await scene.tell(event)
    await scene.deliver()
    await scene.tell(make_alert("NewIssue", project="2"), after=60)
    await scene.deliver()

    assert await scene.statuses() == ["sent", "sent"]


async def test_messages_of_a_group_keep_their_order(scene: Scene) -> None:
    event = make_alert("NewIssue", is_event=True)
    scene.recorder.failures = [UNAVAILABLE]
    await scene.tell(event)
    await scene.deliver()
    await scene.tell(make_alert("NewIssue", project="2"))

    await scene.deliver(after=0.5)
    assert scene.recorder.sent == []
    await scene.deliver(after=0.5)

    assert [each.alerts[0].is_event for each in scene.recorder.sent] == [True, False]


async def test_a_partly_delivered_message_goes_on_to_the_rest_only(scene: Scene) -> None:
    partly = NotifyError(
        "one is busy",
        retryable=True,
        reason=FailureReason.SERVER_ERROR,
        remaining=("bob@example.org",),
    )
    scene.recorder.failures = [partly, UNAVAILABLE]
    await scene.tell(ALERT)

    for _ in range(3):
        await scene.deliver(after=2)

    remaining = [attempt.remaining for attempt in scene.recorder.attempts]
    assert remaining == [(), ("bob@example.org",), ("bob@example.org",)]


async def test_what_waits_for_a_removed_integration_fails_visibly(
    scene: Scene, database: Database
) -> None:
    await scene.tell(ALERT)

    await make_outbox(database, scene.clock, []).prepare()

    assert "not in the configuration" in (await scene.records())[0].last_error


async def test_a_clock_set_back_does_not_delay_a_retry(scene: Scene) -> None:
    scene.recorder.failures = [UNAVAILABLE]
    await scene.tell(ALERT)
    await scene.deliver()

    scene.clock.jump(timedelta(days=-1))
    await scene.deliver()

    assert await scene.statuses() == ["sent"]


async def test_a_fault_in_a_channel_is_shown_without_its_words(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.recorder.failures = [RuntimeError("https://hooks.example.org/secret")]
    await scene.tell(ALERT)

    with caplog.at_level(logging.DEBUG):
        await scene.deliver()

    record = (await scene.records())[0]
    assert (record.status, "RuntimeError" in record.last_error) == ("failed", True)
    assert "secret" not in record.last_error + caplog.text


async def test_what_was_accepted_is_not_sent_again_while_the_disk_is_full(
    scene: Scene, database: Database
) -> None:
    outbox = make_outbox(
        database, scene.clock, [make_integration(scene.recorder)], store=FullOnce(database)
    )
    await scene.tell(ALERT)

    with pytest.raises(OSError, match="full"):
        await outbox.deliver_due()
    await outbox.deliver_due()

    assert len(scene.recorder.attempts) == 1
    assert await scene.statuses() == ["sent"]


class FullOnce(SqlOutbox):
    """A store whose disk is full once."""

    _is_full = True

    @override
    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        if self._is_full:
            self._is_full = False
            raise OSError("the disk is full")
        await super().mark(delivery_id, outcome)


async def test_stopping_lets_an_attempt_come_to_its_end(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    slow = Slow()
    integration = Integration(make_integration().id, slow)
    dispatcher = make_dispatcher(database, clock, ids, integrations=[integration])
    await dispatcher.load()
    await dispatcher.put([ALERT])
    await dispatcher.flush_due()
    outbox = make_outbox(database, clock, [integration])
    (loop,) = outbox.loops().values()

    task = asyncio.ensure_future(loop())
    await slow.has_begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    slow.may_end.set()
    await asyncio.gather(task, return_exceptions=True)

    assert (await SqlOutbox(database).list_deliveries(limit=1))[0].status == "sent"


class Slow:
    """A notifier that is told when to end."""

    destination = "somewhere/…"

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        self.has_begun.set()
        await self.may_end.wait()
        return Receipt()


async def test_old_alerts_and_notifications_are_deleted_and_nothing_else(scene: Scene) -> None:
    await scene.tell(ALERT, make_alert("Old"))
    await scene.deliver()
    await scene.tell(resolve(make_alert("Old"), START), after=60)
    await scene.deliver()
    retention = Retention(
        prunables=[scene.alerts, scene.store],
        outbox=scene.outbox,
        keep=timedelta(days=1),
        clock=scene.clock,
    )

    await scene.clock.advance(2 * 86400)
    await retention.prune()

    left = await scene.alerts.list_alerts(status=None, severity=None, after=None, limit=9)
    assert [each.alert.name for each in left] == ["DatabaseConnectionFailed"]
    assert await scene.records() == []
