"""What an outage drags along waits for the outage, which is often noticed later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.dependencies import Dependencies
from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.policy.suppression_config import DependencyConfig
from resumatch_monitor.notify.notification import notification_from_json
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.dispatch import NOTIFICATIONS
from tests.dispatch.builders import START, make_alert, make_dispatcher, make_occurrence, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

DATABASE = make_alert("Database", instance="db")
ERRORS = make_alert("Errors")
ON_DATABASE = DependencyConfig(
    name="database", on=['alertname="Database"'], affects=['alertname=~"Errors|NewIssue"']
)


class World:
    """A dispatcher, and rules that say what is pending."""

    def __init__(self, database: Database, clock: FakeClock, config: DependencyConfig) -> None:
        self._database, self._clock = database, clock
        self.pending: list[Alert] = []
        firing = FiringAlerts()
        self.dependencies = Dependencies([config], firing, list_pending=lambda: self.pending)
        self.dispatcher = make_dispatcher(
            database,
            clock,
            SequentialIds(),
            config={"route": {"group_by": ["alertname"], "group_wait": "0s"}},
            muter=self.dependencies,
            firing=firing,
        )

    async def put(self, *alerts: Alert) -> None:
        await self.dispatcher.put(alerts)
        await self.dispatcher.flush_due()

    async def wait(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            await self._clock.advance(10)
            await self.dispatcher.flush_due()

    async def told(self) -> list[tuple[float, list[str]]]:
        query = NOTIFICATIONS.select().order_by(NOTIFICATIONS.c.created_at, NOTIFICATIONS.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            ((each.created_at - START).total_seconds(), [alert.name for alert in each.alerts])
            for each in (notification_from_json(row.payload) for row in rows)
        ]


@pytest.fixture
async def world(database: Database, clock: FakeClock) -> World:
    world = World(database, clock, ON_DATABASE)
    await world.dispatcher.load()
    return world


@pytest.mark.anyio
async def test_the_cause_that_is_noticed_later_is_told_and_not_its_effect(world: World) -> None:
    world.pending = [DATABASE]
    await world.put(ERRORS)
    await world.wait(30)
    world.pending = []

    await world.put(replace(DATABASE, starts_at=START + timedelta(seconds=30)))
    await world.wait(600)

    assert await world.told() == [(30, ["Database"])]
    assert [each.name for each in world.dependencies.dependents_of(DATABASE)] == ["Errors"]


@pytest.mark.anyio
async def test_what_waited_for_a_cause_that_never_came_is_told(world: World) -> None:
    world.pending = [DATABASE]
    await world.put(ERRORS)
    await world.wait(20)
    assert await world.told() == []

    world.pending = []
    await world.wait(60)

    assert await world.told() == [(60, ["Errors"])]


@pytest.mark.anyio
async def test_a_cause_that_stays_pending_holds_its_effect_up_for_a_while_only(
    world: World,
) -> None:
    world.pending = [DATABASE]
    await world.put(ERRORS)

    await world.wait(600)

    assert await world.told() == [(120, ["Errors"])]


@pytest.mark.anyio
async def test_an_event_does_not_wait(world: World) -> None:
    world.pending = [DATABASE]

    await world.put(make_alert("NewIssue", is_event=True))

    assert await world.told() == [(0, ["NewIssue"])]


def depend(config: DependencyConfig, *pending: Alert) -> Dependencies:
    return Dependencies([config], FiringAlerts(), list_pending=lambda: pending)


def test_the_reason_names_what_is_pending_and_until_when() -> None:
    mute = depend(ON_DATABASE, DATABASE).find(ERRORS, START + timedelta(seconds=5))

    assert mute is not None
    assert (mute.kind, mute.by) == (MuteKind.WAITING, DATABASE.fingerprint)
    assert mute.text == 'may depend on database: Database {instance="db"} is pending'
    assert mute.until == START + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("changes", "pending"),
    [
        ({"wait": timedelta(0)}, DATABASE),
        ({"equal": ["instance"]}, DATABASE),
        ({}, make_alert("Other")),
        ({}, make_alert("Database", severity="warning")),
        ({}, ERRORS),
    ],
    ids=["no wait", "elsewhere", "another alert", "less grave", "itself"],
)
def test_nothing_waits_for_what_it_would_not_depend_on(
    changes: dict[str, object], pending: Alert
) -> None:
    config = ON_DATABASE.model_copy(update=changes)

    assert depend(config, pending).find(ERRORS, START) is None


def test_a_clock_that_is_set_back_makes_nothing_wait() -> None:
    dependencies = depend(ON_DATABASE, DATABASE)

    assert dependencies.find(ERRORS, START - timedelta(hours=1)) is None


def test_rules_are_asked_once_for_all_alerts_of_a_moment() -> None:
    asked: list[int] = []

    def list_pending() -> list[Alert]:
        asked.append(1)
        return [DATABASE]

    dependencies = Dependencies([ON_DATABASE], FiringAlerts(), list_pending=list_pending)

    held = [
        dependencies.find(make_alert("Errors", instance=str(number)), START)
        for number in range(1000)
    ]

    assert all(held)
    assert len(asked) == 1
    assert dependencies.find(ERRORS, START + timedelta(seconds=1))
    assert len(asked) == 2


def test_a_cause_that_fires_already_needs_no_waiting() -> None:
    firing = FiringAlerts()
    dependencies = Dependencies([ON_DATABASE], firing, list_pending=list)
    firing.update([make_occurrence(DATABASE)])

    mute = dependencies.find(ERRORS, START)
    assert mute is not None
    assert mute.kind is MuteKind.DEPENDENT
    firing.update([make_occurrence(resolve(DATABASE, START + timedelta(minutes=1)))])
    assert dependencies.find(ERRORS, START + timedelta(hours=1)) is None
