"""A wall clock that jumps while the process lives: after a sleep, or a late correction.

What people set holds by the wall clock, in whose terms they set it; what the dispatcher counts
itself goes on as if nothing had happened. Neither keeps a critical alert from people for hours.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS
from tests.dispatch.builders import START, make_alert, make_integration
from tests.dispatch.muting.test_muting import World
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
JUMPS = [8 * HOUR, -8 * HOUR]
A = make_alert(instance="a")


def interval(name: str, start: str, end: str) -> dict[str, Any]:
    return {"name": name, "time_intervals": [{"times": [{"start_time": start, "end_time": end}]}]}


@pytest.fixture
async def world(database: Database, clock: FakeClock, ids: SequentialIds) -> World:
    return await start(database, clock, ids)


async def start(database: Database, clock: FakeClock, ids: SequentialIds, **options: Any) -> World:
    world = World(database, clock, ids, **options)
    await world.restart()
    return world


async def fire(world: World) -> Alert:
    alert = make_alert(instance="a", starts_at=world.clock.now())
    await world.put(alert)
    return alert


async def told_since(world: World, moment: float) -> list[tuple[float, list[str]]]:
    """Return what was told, in minutes of the wall clock since `moment`, in seconds since START."""
    return [((at - moment) / 60, what) for at, what in await world.told()]


def seconds(world: World) -> float:
    return (world.clock.now() - START).total_seconds()


@pytest.mark.parametrize("jump", [timedelta(), *JUMPS])
async def test_a_snooze_that_is_set_after_a_jump_lasts_as_long_as_it_says(
    world: World, jump: timedelta
) -> None:
    world.clock.jump(jump)
    begin = seconds(world)
    alert = await fire(world)
    await world.handle(alert, snoozed_until=world.clock.now() + 30 * MINUTE)
    await world.wait(3600)

    assert await told_since(world, begin) == [(0, ["+a"]), (30, ["+a"])]


async def test_a_snooze_that_a_jump_takes_beyond_its_end_is_over(world: World) -> None:
    alert = await fire(world)
    await world.handle(alert, snoozed_until=START + 4 * HOUR)
    world.clock.jump(8 * HOUR)
    await world.wait(120)

    assert await told_since(world, 8 * 3600) == [(-480, ["+a"]), (1, ["+a"])]


NIGHT = interval("night", "20:00", "21:00")
QUIET = {"name": "nights", "time_intervals": ["night"], "severities": ["critical"]}


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"quiet_hours": [{**QUIET, "even_critical": True}]}, MuteKind.QUIET_HOURS),
        ({"route": {"routes": [{"mute_time_intervals": ["night"]}]}}, MuteKind.TIME),
        ({"route": {"routes": [{"active_time_intervals": ["day"]}]}}, MuteKind.TIME),
    ],
    ids=["quiet hours", "mute times", "active times"],
)
async def test_what_depends_on_the_time_of_day_goes_by_the_clock_on_the_wall(
    database: Database,
    clock: FakeClock,
    ids: SequentialIds,
    config: dict[str, Any],
    kind: MuteKind,
) -> None:
    day = interval("day", "12:00", "20:00")
    late = {"times": [{"start_time": "21:00", "end_time": "24:00"}]}
    day["time_intervals"].append(late)
    world = await start(database, clock, ids, config={"time_intervals": [NIGHT, day], **config})
    clock.jump(8 * HOUR)
    alert = await fire(world)
    mute = world.dispatcher.mute_of(alert, clock.now())
    [group] = world.dispatcher.groups()

    assert mute is not None
    assert (mute.kind, mute.until) == (kind, START + 9 * HOUR)
    assert [each.mute for each in group.members] == [mute]
    assert await world.told() == []
    clock.jump(HOUR)
    await world.wait(60)
    assert await told_since(world, 9 * 3600) == [(1, ["+a"])]


async def close(world: World, alert: Alert, lasting: timedelta) -> None:
    occurrence_id = OccurrenceId(alert.fingerprint, alert.starts_at)
    assert await world.dispatcher.close(occurrence_id, "ada", world.clock.now() + lasting)
    await world.dispatcher.flush_due()


async def report_on(world: World, alert: Alert, minutes: int) -> None:
    """Report that it still holds, every minute."""
    for number in range(minutes):
        await world.put(replace(alert, value=float(number)))
        await world.wait(60)


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_closing_after_a_jump_lasts_as_long_as_it_says(
    world: World, jump: timedelta, *, restarts: bool
) -> None:
    world.clock.jump(jump)
    begin = seconds(world)
    alert = await fire(world)
    await close(world, alert, 30 * MINUTE)
    await world.wait(60)
    if restarts:
        await world.restart()
    await report_on(world, alert, 40)

    told = await told_since(world, begin)
    assert [what for _, what in told] == [["+a"], ["-a"], ["+a"]]
    assert [at for at, _ in told] == pytest.approx([0, 1, 30])


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_closing_that_began_before_a_jump_of_hours_is_over(
    world: World, jump: timedelta
) -> None:
    await world.put(A)
    await close(world, A, 4 * HOUR)
    await world.wait(60)
    world.clock.jump(jump)
    await report_on(world, A, 2)

    [view] = world.dispatcher.groups()
    [member] = view.members
    assert member.occurrence.is_firing
    assert member.told_at is not None
    assert len(await world.told()) == 3


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_closing_after_a_jump_is_deaf_to_no_new_stretch(
    world: World, jump: timedelta
) -> None:
    world.clock.jump(jump)
    begin = seconds(world)
    alert = await fire(world)
    await close(world, alert, 4 * HOUR)
    await world.wait(60)
    await world.put(replace(alert, ends_at=world.clock.now()))
    await world.wait(60)
    await fire(world)
    await world.wait(60)

    told = await told_since(world, begin)
    assert [what for _, what in told] == [["+a"], ["-a"], ["+a"]]
    assert [at for at, _ in told] == pytest.approx([0, 1, 2])


ESCALATION: dict[str, Any] = {
    "receivers": [{"name": "team"}, {"name": "boss"}],
    "escalations": [{"name": "up", "steps": [{"after": "15m", "receiver": "boss"}]}],
    "route": {"receiver": "team", "group_wait": "0s", "escalation": "up"},
}


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("restarts", [False, True])
async def test_an_escalation_after_a_jump_waits_as_long_as_it_says(
    database: Database, clock: FakeClock, ids: SequentialIds, jump: timedelta, *, restarts: bool
) -> None:
    channels = [make_integration(receiver=name) for name in ("team", "boss")]
    world = await start(database, clock, ids, config=ESCALATION, integrations=channels)
    clock.jump(jump)
    begin = seconds(world)
    await fire(world)
    await world.wait(300)
    if restarts:
        await world.restart()
    await world.wait(540)
    mutes = [each.mute for group in world.dispatcher.groups() for each in group.members]
    assert mutes == [None]
    await world.wait(900)

    assert await told_since(world, begin) == [(0, ["+a"]), (15, ["+a"])]


@pytest.mark.parametrize("jump", JUMPS)
async def test_times_are_kept_as_the_clock_on_the_wall_shows_them(
    world: World, jump: timedelta
) -> None:
    world.clock.jump(jump)
    await world.put(make_alert("NewIssue", is_event=True, starts_at=world.clock.now()))

    [row] = await world.database.read(lambda c: c.execute(ALERTS.select()).all())
    # Its digest is the one of the day that people see on the wall.
    assert row.received_at == world.clock.now()
