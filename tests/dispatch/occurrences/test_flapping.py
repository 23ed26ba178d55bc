"""Alerts that flap: when they do, what is held back for it, and what never is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.dispatch.occurrences.flapping import Change, Flapping
from resumatch_monitor.storage.sql.database import Database
from tests.dispatch.builders import START, make_alert, make_occurrence, resolve
from tests.dispatch.muting.test_muting import World, notifications
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

A = make_alert(instance="a")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def observe(flapping: Flapping, minutes: Sequence[float]) -> None:
    """Let an alert begin, end, begin, … at these minutes."""
    for number, minute in enumerate(minutes):
        alert = replace(A, starts_at=at(minute))
        report = resolve(alert, at(minute)) if number % 2 else alert
        flapping.observe([make_occurrence(report)], at(minute))


@pytest.mark.parametrize(
    ("minutes", "now", "until"),
    [
        ([0, 1, 2], 2, None),
        ([0, 1, 2, 3], 3, 33),
        ([0, 1, 2, 3], 32.9, 33),
        ([0, 1, 2, 3], 33, None),
        ([0, 1, 2, 3, 20], 40, 50),
        # Not within the window.
        ([0, 20, 40, 61], 61, None),
        ([0, 20, 40, 59], 59, 89),
        # After a quiet while it is counted anew.
        ([0, 1, 2, 3, 40, 41], 41, None),
        ([0, 1, 2, 3, 40, 41, 42, 43], 43, 73),
    ],
)
def test_an_alert_flaps_from_its_fourth_change_in_an_hour_until_half_an_hour_of_quiet(
    minutes: list[float], now: float, until: float | None
) -> None:
    flapping = Flapping(window=timedelta(hours=1), changes=4)
    observe(flapping, minutes)

    flap = flapping.find(A.fingerprint, at(now))

    assert (flap and flap.until) == (None if until is None else at(until))


def test_says_how_it_flaps() -> None:
    flapping = Flapping(window=timedelta(hours=1), changes=4)
    observe(flapping, [0, 1, 2, 3, 4])

    flap = flapping.find(A.fingerprint, at(4))

    assert flap is not None
    assert flap.text == (
        "flaps: 5 changes in 1h; further changes are held back until it is quiet for 30m"
    )


def test_repeated_reports_are_no_changes_and_events_never_flap() -> None:
    flapping = Flapping(window=timedelta(hours=1), changes=4)
    event = make_alert("NewIssue", is_event=True)
    for minute in range(9):
        flapping.observe([make_occurrence(A), make_occurrence(event)], at(minute))

    assert flapping.find(A.fingerprint, at(9)) is None
    assert flapping.find(event.fingerprint, at(9)) is None


def test_without_a_number_nothing_flaps() -> None:
    flapping = Flapping(window=timedelta(hours=1), changes=0)
    observe(flapping, range(50))

    assert flapping.find(A.fingerprint, at(50)) is None


def test_a_restart_changes_no_count() -> None:
    flapping = Flapping(window=timedelta(hours=1), changes=4)
    flapping.restore(
        [
            Change(A.fingerprint, at(minute), is_firing=minute % 2 == 0)
            for minute in (2, 1, 0, 3, 2)  # Those that still fire are named twice.
        ],
        at(3),
    )

    flap = flapping.find(A.fingerprint, at(3))

    assert flap is not None
    assert flap.until == at(33)


def test_memory_is_bounded() -> None:
    flapping = Flapping(window=timedelta(minutes=1), changes=4)
    for number in range(3000):
        alert = make_alert(instance=str(number))
        reports = [make_occurrence(alert), make_occurrence(resolve(alert, START))]
        flapping.observe(reports, START + timedelta(seconds=number))

    assert flapping.size < 1100


CONFIG = {"flapping": {"window": "1h", "changes": 4}, "route": {"group_wait": "0s"}}


@pytest.fixture
async def world(database: Database, clock: FakeClock, ids: SequentialIds) -> World:
    world = World(database, clock, ids, config=CONFIG)
    await world.restart()
    return world


async def toggle(
    world: World, times: int, *, every: float = 120, severity: str = "critical"
) -> None:
    """Let the alert begin and end by turns; it fires at first."""
    for number in range(times):
        alert = make_alert(instance="a", starts_at=world.clock.now())
        if number % 2:
            alert = resolve(alert, world.clock.now())
        await world.put(alert)
        await world.wait(every)


@pytest.mark.anyio
@pytest.mark.parametrize("restarts", [False, True])
async def test_flapping_is_said_once_and_what_it_ends_as_is_told_when_it_is_quiet(
    world: World, *, restarts: bool
) -> None:
    await toggle(world, 14)
    if restarts:
        await world.restart()
    await world.wait(3600)

    told = await world.told()
    # Change 5 is a beginning, and the first moment at which somebody can be told that it flaps.
    assert told == [
        (0, ["+a"]),
        (120, ["-a"]),
        (240, ["+a"]),
        (360, ["-a"]),
        (480, ["+a"]),
        (1560 + 1800, ["-a"]),
    ]
    notes = [each.mute_note for each in await notifications(world.database)]
    assert notes[:4] == [""] * 4
    assert notes[4].endswith(
        "flaps: 5 changes in 1h; further changes are held back until it is quiet for 30m"
    )


@pytest.mark.anyio
async def test_what_fires_in_the_end_is_told_as_firing(world: World) -> None:
    await toggle(world, 13)
    await world.wait(3600)

    told = await world.told()
    assert told[4:] == [(480, ["+a"]), (1440 + 1800, ["+a"])]
    [*_, last] = await notifications(world.database)
    assert (last.mute_note, last.is_repeat) == ("", False)


@pytest.mark.anyio
async def test_a_critical_alert_that_flaps_before_anybody_was_told_is_told(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    config = {**CONFIG, "route": {"group_wait": "30s"}}
    world = World(database, clock, ids, config=config)
    await world.restart()
    await toggle(world, 9, every=2)
    await world.wait(60)

    assert [said for _, said in await world.told()] == [["+a"]]


@pytest.mark.anyio
async def test_flapping_holds_back_no_other_alert(world: World) -> None:
    await toggle(world, 9, every=60)
    await world.put(make_alert(instance="b", starts_at=world.clock.now()))
    await world.wait(60)

    [*_, (_, last)] = await world.told()
    assert "+b" in last


@pytest.mark.anyio
async def test_pages_say_that_an_end_is_held_back(world: World) -> None:
    await toggle(world, 10)

    [group] = world.dispatcher.groups()
    [member] = group.members
    assert member.mute is not None
    assert (member.mute.kind, member.told_at is None) == (MuteKind.FLAPPING, False)


@pytest.mark.anyio
async def test_a_silence_goes_before_flapping(world: World) -> None:
    await world.silence("a")
    await toggle(world, 9)

    assert await world.told() == []


@pytest.mark.anyio
async def test_a_flapping_alert_is_said_to_be_held_back(world: World) -> None:
    await toggle(world, 9)
    now = world.clock.now()

    mute = world.dispatcher.mute_of(make_alert(instance="a", starts_at=now), now)

    assert mute is not None
    assert mute.kind is MuteKind.FLAPPING
    assert world.dispatcher.mute_of(make_alert(instance="b", starts_at=now), now) is None


@pytest.mark.anyio
async def test_a_clock_that_was_set_back_holds_an_end_back_for_no_longer(world: World) -> None:
    await toggle(world, 14)
    world.clock.jump(-timedelta(hours=20))
    await world.restart()
    await world.wait(1800 + 60, step=60)

    assert sorted(what for _, what in await world.told())[:3] == [["+a"], ["+a"], ["+a"]]
    assert world.dispatcher.groups() == []
