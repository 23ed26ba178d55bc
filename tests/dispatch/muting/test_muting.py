"""What mutes, acknowledgements, snoozes and closings do to what people are told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.notification import Notification, notification_from_json
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.dispatch import NOTIFICATIONS
from tests.dispatch.builders import (
    START,
    Handled,
    Silencer,
    make_alert,
    make_dispatcher,
    resolve,
)
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

A = make_alert(instance="a")
B = make_alert(instance="b")
EVENT = make_alert("NewIssue", is_event=True)


async def notifications(database: Database) -> list[Notification]:
    query = NOTIFICATIONS.select().order_by(NOTIFICATIONS.c.created_at, NOTIFICATIONS.c.id)
    rows = await database.read(lambda connection: connection.execute(query).all())
    return [notification_from_json(row.payload) for row in rows]


class World:
    """A dispatcher with everything that bears on it, which can be restarted."""

    def __init__(
        self, database: Database, clock: FakeClock, ids: SequentialIds, **options: Any
    ) -> None:
        self.database, self.clock, self.ids = database, clock, ids
        self.options = options
        self.silencer, self.handled = Silencer(), Handled()
        self.dispatcher: Dispatcher

    async def restart(self) -> None:
        self.dispatcher = make_dispatcher(
            self.database,
            self.clock,
            self.ids,
            muter=self.silencer,
            handlings=self.handled,
            **self.options,
        )
        await self.dispatcher.load()

    async def put(self, *alerts: Alert) -> None:
        await self.dispatcher.put(alerts)
        await self.dispatcher.flush_due()

    async def wait(self, seconds: float, step: float = 10) -> None:
        until = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < until:
            await self.clock.advance(min(step, (until - self.clock.now()).total_seconds()))
            await self.dispatcher.flush_due()

    async def silence(self, *names: str) -> None:
        self.silencer.names = set(names)
        self.dispatcher.reconsider()
        await self.dispatcher.flush_due()

    async def handle(self, alert: Alert, **changes: Any) -> None:
        self.handled.change(alert, **changes)
        self.dispatcher.reconsider()
        await self.dispatcher.flush_due()

    async def told(self) -> list[tuple[float, list[str]]]:
        """Return when what was told: `+a` begins, `-a` ends."""
        return [
            (
                (each.created_at - START).total_seconds(),
                sorted(
                    ("-" if alert.ends_at else "+") + (alert.labels.value("instance") or alert.name)
                    for alert in each.alerts
                ),
            )
            for each in await notifications(self.database)
        ]


@pytest.fixture
async def world(database: Database, clock: FakeClock, ids: SequentialIds) -> World:
    world = World(database, clock, ids)
    await world.restart()
    return world


async def test_a_muted_alert_is_told_at_the_tick_after_the_mute(world: World) -> None:
    world.silencer.names = {"a"}
    await world.put(A)
    await world.wait(130)
    await world.silence()
    await world.wait(120)

    # Ticks are a minute apart, from the first look on, as in Alertmanager.
    assert await world.told() == [(180, ["+a"])]


async def test_a_mute_holds_back_no_company(world: World) -> None:
    world.silencer.names = {"a"}
    await world.put(A, B)
    await world.wait(60)

    [notification] = await notifications(world.database)
    assert [each.labels["instance"] for each in notification.alerts] == ["b"]
    assert notification.mute_note == "1 more of the group held back: silenced by ada: planned"


async def test_who_was_told_that_it_fires_is_told_that_it_ended_whatever_mutes_it(
    world: World,
) -> None:
    await world.put(A)
    await world.silence("a")
    await world.put(resolve(A, START))
    await world.wait(60)

    assert await world.told() == [(0, ["+a"]), (60, ["-a"])]


async def test_what_ended_while_it_was_muted_and_untold_is_never_told(world: World) -> None:
    await world.silence("a")
    await world.put(A)
    await world.wait(100)
    await world.put(resolve(A, START))
    await world.wait(100)
    await world.silence()
    await world.wait(100)

    assert await world.told() == []


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_is_silenced_after_it_was_told_is_told_anew_when_the_silence_ends(
    world: World, *, restarts: bool
) -> None:
    await world.put(A)
    await world.silence("a")
    await world.wait(3600)
    if restarts:
        await world.restart()
    await world.silence()
    await world.wait(120)

    assert await world.told() == [(0, ["+a"]), (3660, ["+a"])]


async def test_an_inhibition_that_ends_repeats_nothing(world: World) -> None:
    world.silencer.kind = MuteKind.INHIBITED
    await world.put(A)
    await world.silence("a")
    await world.wait(3600)
    await world.silence()
    await world.wait(120)

    assert await world.told() == [(0, ["+a"])]


async def test_muted_alerts_are_not_repeated(world: World) -> None:
    await world.put(A, B)
    await world.silence("a")
    await world.wait(4 * 3600 + 60, step=60)

    assert await world.told() == [(0, ["+a", "+b"]), (14400, ["+b"])]


@pytest.mark.parametrize(
    ("kind", "told"),
    [(MuteKind.SILENCED, []), (MuteKind.INHIBITED, []), (MuteKind.QUIET_HOURS, [120.0])],
)
async def test_an_event_is_swallowed_by_a_silence_and_waits_for_the_morning(
    world: World, kind: MuteKind, told: list[float]
) -> None:
    world.silencer.kind = kind
    await world.silence("NewIssue")
    await world.put(EVENT)
    await world.wait(70)
    await world.silence()
    await world.wait(120)

    assert [at for at, _ in await world.told()] == told


async def test_what_everybody_acknowledged_is_not_repeated(world: World) -> None:
    await world.put(A, B)
    await world.handle(A, acknowledged_at=START, acknowledged_by="ada")
    await world.wait(4 * 3600 + 60, step=60)
    await world.handle(B, acknowledged_at=START, acknowledged_by="ada")
    await world.wait(5 * 3600, step=60)

    assert await world.told() == [(0, ["+a", "+b"]), (14400, ["+a", "+b"])]


async def test_an_acknowledgement_holds_back_neither_company_nor_the_end(world: World) -> None:
    await world.put(A)
    await world.handle(A, acknowledged_at=START, acknowledged_by="ada")
    await world.put(B)
    await world.wait(60)
    await world.put(resolve(A, START))
    await world.wait(60)

    assert await world.told() == [(0, ["+a"]), (60, ["+a", "+b"]), (120, ["+b", "-a"])]


async def test_what_is_snoozed_is_told_anew_afterwards(world: World) -> None:
    await world.put(A)
    await world.handle(A, snoozed_until=START + timedelta(minutes=90))
    await world.wait(2 * 3600, step=60)

    assert await world.told() == [(0, ["+a"]), (5400, ["+a"])]


async def test_what_is_snoozed_before_it_was_told_waits(world: World) -> None:
    world.handled.change(A, snoozed_until=START + timedelta(minutes=5))
    await world.put(A)
    await world.wait(600)

    assert await world.told() == [(300, ["+a"])]


NIGHT = {
    "name": "night",
    "time_intervals": [{"times": [{"start_time": "12:00", "end_time": "13:00"}]}],
}


async def test_quiet_hours_hold_back_warnings_until_they_end(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    hours = {"name": "nights", "time_intervals": ["night"]}
    config = {"time_intervals": [NIGHT], "quiet_hours": [hours]}
    world = World(database, clock, ids, config=config)
    await world.restart()
    warning = make_alert("Slow", severity="warning", instance="w")
    await world.put(A, warning)
    mute = world.dispatcher.mute_of(warning, clock.now())
    await world.wait(3700, step=15)

    assert mute is not None
    assert (mute.kind, mute.until) == (MuteKind.QUIET_HOURS, START + timedelta(hours=1))
    assert world.dispatcher.mute_of(A, START) is None
    # Its group waited 15 s, and is looked at every minute since.
    assert await world.told() == [(0, ["+a"]), (3615, ["+w"])]


@pytest.mark.parametrize("key", ["mute_time_intervals", "active_time_intervals"])
async def test_a_route_tells_only_at_its_times(
    database: Database, clock: FakeClock, ids: SequentialIds, key: str
) -> None:
    day = {
        "name": "day",
        "time_intervals": [{"times": [{"start_time": "13:00", "end_time": "24:00"}]}],
    }
    name = "night" if key.startswith("mute") else "day"
    config = {
        "time_intervals": [NIGHT, day],
        "route": {"group_wait": "0s", "routes": [{key: [name], "matchers": ["instance=a"]}]},
    }
    world = World(database, clock, ids, config=config)
    await world.restart()
    await world.put(A, B)
    await world.wait(3700, step=60)

    assert await world.told() == [(0, ["+b"]), (3600, ["+a"])]
    [view, _] = world.dispatcher.groups()
    assert [member.mute for member in view.members] == [None]


async def close(world: World, alert: Alert, minutes: float = 60) -> bool:
    until = world.clock.now() + timedelta(minutes=minutes)
    occurrence_id = OccurrenceId(alert.fingerprint, alert.starts_at)
    is_closed = await world.dispatcher.close(occurrence_id, "ada", until)
    await world.dispatcher.flush_due()
    return is_closed


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_a_person_closed_is_told_as_ended_and_not_heard_for_a_while(
    world: World, *, restarts: bool
) -> None:
    await world.put(A)
    await world.wait(30)
    assert await close(world, A)
    assert not await close(world, A)
    if restarts:
        await world.restart()
    for _ in range(61):
        await world.put(replace(A, value=float(_)))
        await world.wait(60)

    assert await world.told() == [(0, ["+a"]), (60, ["-a"]), (3630, ["+a"])]


async def test_a_new_stretch_is_heard_although_a_person_closed_the_last_one(world: World) -> None:
    await world.put(A)
    await close(world, A)
    await world.wait(60)
    await world.put(resolve(A, world.clock.now()))
    again = replace(A, starts_at=world.clock.now())
    await world.put(again)
    await world.wait(60)

    assert await world.told() == [(0, ["+a"]), (60, ["-a"]), (60, ["+a"])]


async def test_an_unknown_occurrence_cannot_be_closed(world: World) -> None:
    assert not await close(world, A)
    await world.put(EVENT)
    assert not await close(world, EVENT)


async def test_what_is_held_back_is_counted_once_each_time_it_begins(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    telemetry = Telemetry()
    silencer = Silencer()
    silencer.names = {"a"}
    dispatcher = make_dispatcher(database, clock, ids, muter=silencer, telemetry=telemetry)
    await dispatcher.load()
    await dispatcher.put([A])
    for _ in range(3):
        await dispatcher.flush_due()
        await clock.advance(60)

    name = "resumatch_monitor_notifications_suppressed_total"
    assert telemetry.registry.get_sample_value(name, {"kind": "silenced"}) == 1.0
    [group] = dispatcher.groups()
    assert [(member.mute and member.mute.by, member.told_at) for member in group.members] == [
        ("s1", None)
    ]
