"""Digests on a real database: each once, only with something to say, across restarts."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from resumatch_monitor.dispatch.digest.calendar import Calendar
from resumatch_monitor.dispatch.digest.digester import Digester, DigestPlan
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.digests import SqlDigests
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.tables.alerting import ALERT_DIGESTS
from tests.dispatch.builders import make_alert, make_integration, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

# An hour before nine in Berlin.
START = datetime(2026, 1, 5, 7, 0, tzinfo=UTC)
INTEGRATION = make_integration(receiver="team", kind="email")


def takes_warnings(labels: Labels) -> bool:
    return labels.get("severity") == "warning"


class World:
    """A digester and what it reads and writes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock(START)
        self.ids = SequentialIds()
        self.alerts = SqlAlerts(database)
        self.outbox = SqlOutbox(database)
        self.woken = 0
        self.digester = self.restart()

    def restart(self) -> Digester:
        plan = DigestPlan(
            name="team/daily",
            receiver="team",
            word="daily",
            calendar=Calendar(time(9), ZoneInfo("Europe/Berlin")),
            takes=takes_warnings,
            integrations=[INTEGRATION],
        )
        self.digester = Digester(
            plans=[plan],
            store=SqlDigests(self.database),
            on_outbox_change=self._wake,
            clock=self.clock,
            ids=self.ids,
        )
        return self.digester

    def _wake(self) -> None:
        self.woken += 1

    async def fire(self, name: str, *, severity: str = "warning", ended: bool = True) -> None:
        now = self.clock.now()
        alert = make_alert(name, severity=severity, starts_at=now)
        await self.alerts.put([alert], at=now)
        if ended:
            await self.alerts.put([resolve(alert, now + timedelta(minutes=5))], at=now)

    async def titles(self) -> list[str]:
        due = await self.outbox.take_due(
            INTEGRATION.id, now=self.clock.now() + timedelta(days=400), limit=100
        )
        records = await self.outbox.list_deliveries(limit=100)
        assert {each.id for each in due} <= {each.id for each in records}
        return [each.title for each in reversed(records)]


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_it_is_made_at_its_time_with_what_fired_since(world: World) -> None:
    await world.digester.make_due()
    await world.fire("HighResponseTime")
    world.clock.jump(timedelta(minutes=59))
    await world.digester.make_due()
    assert await world.titles() == []

    world.clock.jump(timedelta(minutes=1))
    await world.digester.make_due()

    assert len(await world.titles()) == 1
    assert "Daily digest: 1 alert" in (await world.titles())[0]
    assert world.woken == 1


async def test_a_second_look_and_a_restart_make_no_second_one(world: World) -> None:
    await world.digester.make_due()
    await world.fire("HighResponseTime")
    world.clock.jump(timedelta(hours=1))

    for _ in range(3):
        await world.restart().make_due()

    assert len(await world.titles()) == 1


async def test_two_at_the_same_moment_make_one(world: World) -> None:
    await world.digester.make_due()
    await world.fire("HighResponseTime")
    world.clock.jump(timedelta(hours=1))
    store = SqlDigests(world.database)
    last = await store.last("team/daily", until=world.clock.now())
    assert last is not None

    await world.digester.make_due()
    again = await store.last("team/daily", until=world.clock.now())
    assert again is not None

    assert not await store.record(again, None, ())


async def test_nothing_to_say_says_nothing(world: World) -> None:
    await world.digester.make_due()
    await world.fire("DatabaseConnectionFailed", severity="critical")
    world.clock.jump(timedelta(days=2))

    await world.digester.make_due()

    assert await world.titles() == []
    last = await SqlDigests(world.database).last("team/daily", until=world.clock.now())
    assert last is not None
    assert last.ends_at == datetime(2026, 1, 6, 8, 0, tzinfo=UTC) + timedelta(days=0)


async def test_what_was_slept_through_is_told_in_one(world: World) -> None:
    await world.digester.make_due()
    await world.fire("First")
    world.clock.jump(timedelta(days=3))
    await world.fire("Second", ended=False)
    world.clock.jump(timedelta(days=3))

    await world.restart().make_due()

    (title,) = await world.titles()
    assert "2 alerts, 1 still firing" in title


async def test_a_clock_that_is_set_back_repeats_nothing(world: World) -> None:
    await world.digester.make_due()
    await world.fire("HighResponseTime")
    world.clock.jump(timedelta(days=1))
    await world.digester.make_due()

    world.clock.jump(timedelta(days=-1))
    await world.digester.make_due()
    world.clock.jump(timedelta(hours=20))
    await world.digester.make_due()

    assert len(await world.titles()) == 1


async def test_old_records_go_and_the_latest_stays(world: World) -> None:
    await world.digester.make_due()
    world.clock.jump(timedelta(days=1))
    await world.digester.make_due()
    world.clock.jump(timedelta(days=500))
    await world.digester.make_due()
    world.clock.jump(timedelta(days=1))
    await world.digester.make_due()

    count = await world.database.read(
        lambda connection: connection.scalar(select(func.count()).select_from(ALERT_DIGESTS))
    )
    assert count == 2


async def test_a_clock_that_was_a_year_ahead_silences_no_digest(world: World) -> None:
    await world.digester.make_due()
    world.clock.jump(timedelta(days=365))
    await world.digester.make_due()
    world.clock.jump(timedelta(days=-365))
    await world.fire("HighResponseTime")
    world.clock.jump(timedelta(hours=1))

    await world.restart().make_due()

    assert len(await world.titles()) == 1


async def test_an_event_that_was_reported_late_is_in_the_next_digest(world: World) -> None:
    await world.digester.make_due()
    happened = make_alert(
        "NewIssue", severity="warning", is_event=True, starts_at=world.clock.now()
    )
    world.clock.jump(timedelta(hours=1))
    await world.digester.make_due()
    await world.alerts.put([happened], at=world.clock.now())
    world.clock.jump(timedelta(days=1))

    await world.digester.make_due()

    assert len(await world.titles()) == 1
