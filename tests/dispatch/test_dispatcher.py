"""The dispatcher on a real database, with sudden ends at any moment."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete
from typing_extensions import override

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.reading import DeliveryRecord
from resumatch_monitor.dispatch.store import Announcement, Flush
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.tables import dispatch as tables
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

ALERT = make_alert()


async def deliveries(database: Database) -> list[DeliveryRecord]:
    return (await SqlOutbox(database).list_deliveries(limit=200))[::-1]


async def titles(database: Database) -> list[str]:
    return [each.title for each in await deliveries(database)]


async def test_a_critical_alert_is_told_at_once_and_once(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()

    for _ in range(3):
        await dispatcher.put([replace(ALERT, value=1.0)])
        await dispatcher.flush_due()
        await clock.advance(20)

    assert await titles(database) == ["[FIRING:1] DatabaseConnectionFailed (critical)"]


async def test_a_restart_tells_nothing_again_and_goes_on(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    first = make_dispatcher(database, clock, ids)
    await first.load()
    await first.put([ALERT])
    await first.flush_due()
    await first.put([resolve(ALERT, START + timedelta(seconds=30))])

    second = make_dispatcher(database, clock, ids)
    await second.load()
    await second.put([resolve(ALERT, START + timedelta(seconds=30))])
    await clock.advance(60)
    await second.flush_due()

    assert await titles(database) == [
        "[FIRING:1] DatabaseConnectionFailed (critical)",
        "[RESOLVED] DatabaseConnectionFailed (critical)",
    ]


async def test_an_alert_put_before_loading_is_told(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)

    await dispatcher.put([ALERT])
    await dispatcher.load()
    await dispatcher.flush_due()

    assert len(await deliveries(database)) == 1


async def test_an_event_is_told_once_even_if_one_group_told_it_before_the_end(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    config = {
        "receivers": [{"name": "fast"}, {"name": "slow"}],
        "route": {
            "receiver": "fast",
            "routes": [
                {"receiver": "fast", "group_wait": "0s", "continue": True},
                {"receiver": "slow", "group_wait": "60s"},
            ],
        },
    }
    integrations = [make_integration(receiver="fast"), make_integration(receiver="slow")]
    event = make_alert("NewIssue", is_event=True)

    for _ in range(4):
        dispatcher = make_dispatcher(database, clock, ids, config=config, integrations=integrations)
        await dispatcher.load()
        await dispatcher.put([event])
        await dispatcher.flush_due()
        await clock.advance(30)

    assert [each.receiver for each in await deliveries(database)] == ["fast", "slow"]
    assert (await SqlAlerts(database).load()).occurrences == []


async def test_a_failing_store_loses_nothing(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    store = FailingOnce(database)
    dispatcher = make_dispatcher(database, clock, ids, store=store)
    await dispatcher.load()
    await dispatcher.put([ALERT])

    with pytest.raises(OSError, match="disk"):
        await dispatcher.flush_due()
    await dispatcher.flush_due()

    assert len(await deliveries(database)) == 1


class FailingOnce(SqlAlerts):
    """A store whose first record fails."""

    _has_failed = False

    @override
    async def record(
        self,
        flushes: Sequence[Flush],
        *,
        settled: Sequence[OccurrenceId],
        at: datetime,
        announcements: Sequence[Announcement] = (),
    ) -> None:
        if not self._has_failed:
            self._has_failed = True
            raise OSError("the disk is gone")
        await super().record(flushes, settled=settled, at=at, announcements=announcements)


async def test_without_a_channel_alerts_are_kept_and_told_once_there_is_one(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    mute = make_dispatcher(database, clock, ids, integrations=[])
    await mute.load()
    over = make_alert("Over")
    await mute.put([ALERT, over, resolve(over, START)])
    await mute.flush_due()
    assert not mute.has_channel

    loud = make_dispatcher(database, clock, ids)
    await loud.load()
    await loud.flush_due()

    assert loud.has_channel
    assert await titles(database) == ["[FIRING:1] DatabaseConnectionFailed (critical)"]


async def test_a_destination_that_wants_no_resolved_hears_of_none(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    integrations = [make_integration(), make_integration(index=1, send_resolved=False)]
    dispatcher = make_dispatcher(database, clock, ids, integrations=integrations)
    await dispatcher.load()
    await dispatcher.put([ALERT])
    await dispatcher.flush_due()
    await dispatcher.put([resolve(ALERT, START)])
    await clock.advance(60)
    await dispatcher.flush_due()

    assert [each.kind for each in await deliveries(database)] == ["firing", "firing", "resolved"]


async def test_a_clock_set_back_by_a_day_keeps_nothing_from_people(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()
    await dispatcher.put([ALERT])
    await dispatcher.flush_due()

    clock.jump(timedelta(days=-1))
    restarted = make_dispatcher(database, clock, ids)
    await restarted.load()
    await restarted.put([resolve(ALERT, clock.now())])
    await clock.advance(60)
    await restarted.flush_due()

    assert [each.kind for each in await deliveries(database)] == ["firing", "resolved"]


async def test_the_loop_sends_when_it_is_time(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    recorder = Recorder()
    outbox = Outbox(
        store=SqlOutbox(database),
        integrations=[make_integration(recorder)],
        clock=clock,
        telemetry=Telemetry(),
    )
    dispatcher = make_dispatcher(
        database,
        clock,
        ids,
        on_outbox_change=outbox.wake,
        external_labels=Labels.of(site="north"),
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatcher.run)
        for loop in outbox.loops().values():
            tasks.start_soon(loop)  # pyright: ignore[reportArgumentType]
        await dispatcher.put([ALERT])
        with anyio.fail_after(10):
            await recorder.heard.wait()
        tasks.cancel_scope.cancel()

    assert recorder.sent[0].alerts[0].labels == ALERT.labels
    assert recorder.sent[0].external_labels == Labels.of(site="north")


async def test_a_storm_is_grouped_in_one_message_that_counts_what_it_cannot_list(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()
    storm = [make_alert("Storm", instance=str(number)) for number in range(3000)]

    await dispatcher.put(storm)
    await dispatcher.flush_due()

    assert await titles(database) == ["[FIRING:3000] Storm (critical)"]
    due = await SqlOutbox(database).take_due(make_integration().id, now=clock.now(), limit=9)
    assert (len(due[0].notification.alerts), due[0].notification.truncated_count) == (1000, 2000)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.integers(0, 2)),
        st.tuples(st.just("repeat"), st.integers(0, 2)),
        st.tuples(st.just("resolve"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.integers(1, 90)),
        st.tuples(st.just("crash"), st.just(0)),
        # A crash after the store has taken a flush and before anybody could know of it.
        st.tuples(st.just("crash in flush"), st.just(0)),
    ),
    max_size=25,
)


def test_no_order_of_alerts_and_crashes_forgets_or_repeats_anything(database: Database) -> None:
    @settings(max_examples=60, deadline=None)
    @given(steps=STEPS)
    def check(steps: list[tuple[str, int]]) -> None:
        anyio.run(check_order, database, steps)

    check()


async def check_order(database: Database, steps: list[tuple[str, int]]) -> None:
    await database.write(empty_tables)
    run = Run(database)
    await run.crash()
    for step, number in steps:
        await run.do(step, number)
    await run.wait(120)
    await run.check()


def empty_tables(connection: Connection) -> None:
    for table in (tables.ALERTS, tables.ALERT_GROUPS, tables.TOLD_ALERTS, tables.NOTIFICATIONS):
        connection.execute(delete(table))


class Run:
    """A dispatcher that is put, crashed and rebuilt, and a reader who believes its messages."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock()
        self.store: CrashingOnDemand
        self.dispatcher: Dispatcher
        self.reports: dict[int, Alert] = {}

    async def do(self, step: str, number: int) -> None:
        report = self.reports.get(number)
        match step:
            case "fire":
                if report is None or report.status is AlertStatus.RESOLVED:
                    starts_at = self.clock.now()
                    report = make_alert(instance=str(number), starts_at=starts_at)
                    self.reports[number] = report
                    await self.dispatcher.put([report])
            case "repeat":
                if report is not None:
                    await self.dispatcher.put([report])
            case "resolve":
                if report is not None and report.status is AlertStatus.FIRING:
                    report = resolve(report, self.clock.now())
                    self.reports[number] = report
                    await self.dispatcher.put([report])
            case "wait":
                await self.wait(number)
            case "crash":
                await self.crash()
            case _:
                await self.crash_in_flush()
        await self.dispatcher.flush_due()

    async def wait(self, seconds: int) -> None:
        for _ in range(0, seconds, 10):
            await self.clock.advance(10)
            await self.dispatcher.flush_due()

    async def crash(self) -> None:
        self.store = CrashingOnDemand(self.database)
        self.dispatcher = make_dispatcher(self.database, self.clock, RandomIds(), store=self.store)
        await self.dispatcher.load()

    async def crash_in_flush(self) -> None:
        self.store.is_crashing = True
        await self.clock.advance(60)
        with suppress(ConnectionAbortedError):
            await self.dispatcher.flush_due()
        await self.crash()

    async def check(self) -> None:
        believed: set[str] = set()
        for delivery in await deliveries(self.database):
            before = set(believed)
            for alert in delivery.alerts:
                if alert.status == "firing":
                    believed.add(alert.fingerprint)
                else:
                    assert alert.fingerprint in believed, "an end was told twice, or unbidden"
                    believed.remove(alert.fingerprint)
            assert believed != before, "a message told what people knew"
        firing = {
            report.fingerprint
            for report in self.reports.values()
            if report.status is AlertStatus.FIRING
        }
        assert believed == firing


class CrashingOnDemand(SqlAlerts):
    """A store that can be made to keep what it is given and then take the process down."""

    is_crashing = False

    @override
    async def record(
        self,
        flushes: Sequence[Flush],
        *,
        settled: Sequence[OccurrenceId],
        at: datetime,
        announcements: Sequence[Announcement] = (),
    ) -> None:
        await super().record(flushes, settled=settled, at=at, announcements=announcements)
        if self.is_crashing:
            raise ConnectionAbortedError


async def test_the_tables_are_empty_when_everything_is_over(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()
    await dispatcher.put([ALERT, make_alert("NewIssue", is_event=True)])
    await dispatcher.flush_due()
    await dispatcher.put([resolve(ALERT, START)])
    await clock.advance(60)
    await dispatcher.flush_due()

    snapshot = await SqlAlerts(database).load()

    assert (snapshot.occurrences, snapshot.groups) == ([], {})
    left = await database.write(lambda c: c.execute(delete(tables.TOLD_ALERTS)).rowcount)
    assert left == 0
