"""Steps of an escalation: when they are told, and what stops them."""

from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.dispatch.grouping.escalation import Turns
from resumatch_monitor.storage.sql.database import Database
from tests.dispatch.builders import START, make_alert, make_integration, resolve
from tests.dispatch.muting.test_muting import World, notifications
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

A = make_alert(instance="a")
MINUTE = 60
CONFIG: dict[str, Any] = {
    "receivers": [{"name": "team"}, {"name": "boss"}, {"name": "chief"}],
    "escalations": [
        {
            "name": "up",
            "steps": [
                {"after": "15m", "receiver": "boss"},
                {"after": "1h", "receiver": "chief"},
            ],
        }
    ],
    "route": {"receiver": "team", "group_wait": "0s", "escalation": "up"},
}
INTEGRATIONS = [make_integration(receiver=name) for name in ("team", "boss", "chief")]


@pytest.fixture
async def world(database: Database, clock: FakeClock, ids: SequentialIds) -> World:
    world = World(database, clock, ids, config=CONFIG, integrations=INTEGRATIONS)
    await world.restart()
    return world


async def story(world: World) -> list[tuple[float, str, str]]:
    return [
        (
            (each.created_at - START).total_seconds() / MINUTE,
            each.receiver,
            each.kind.value,
        )
        for each in await notifications(world.database)
    ]


async def test_what_nobody_acknowledges_goes_up_step_by_step(world: World) -> None:
    await world.put(A)
    await world.wait(61 * MINUTE, step=30)

    assert await story(world) == [
        (0, "team", "firing"),
        (15, "boss", "firing"),
        (60, "chief", "firing"),
    ]
    texts = [each.escalation for each in await notifications(world.database)]
    assert texts == [
        "",
        "escalated: nobody acknowledged it within 15m",
        "escalated: nobody acknowledged it within 1h; this is the last resort",
    ]


async def test_the_step_comes_to_the_second(world: World) -> None:
    await world.put(A)

    assert await world.dispatcher.flush_due() == START + timedelta(minutes=15)


async def test_the_end_reaches_every_step_that_was_told_and_no_other(world: World) -> None:
    await world.put(A)
    await world.wait(20 * MINUTE)
    await world.put(resolve(A, world.clock.now()))
    await world.wait(60 * MINUTE)

    assert sorted(await story(world)) == [
        (0, "team", "firing"),
        (15, "boss", "firing"),
        (20, "boss", "resolved"),
        (20, "team", "resolved"),
    ]


@pytest.mark.parametrize("at", [1, 14.5, 16])
async def test_an_acknowledgement_ends_the_way_up(world: World, at: float) -> None:
    await world.put(A)
    await world.wait(at * MINUTE)
    await world.handle(A, acknowledged_at=START, acknowledged_by="ada")
    await world.wait(8 * 60 * MINUTE, step=60)

    told = [who for _, who, _ in await story(world)]
    assert told == (["team"] if at < 15 else ["team", "boss"])


async def test_taking_an_acknowledgement_back_goes_on_at_once(world: World) -> None:
    await world.put(A)
    await world.handle(A, acknowledged_at=START, acknowledged_by="ada")
    await world.wait(30 * MINUTE)
    await world.handle(A, acknowledged_at=None, acknowledged_by="")

    assert await story(world) == [(0, "team", "firing"), (30, "boss", "firing")]


async def test_a_snooze_restarts_the_clock(world: World) -> None:
    await world.put(A)
    await world.wait(10 * MINUTE)
    await world.handle(A, snoozed_until=START + timedelta(minutes=40))
    await world.wait(60 * MINUTE)

    assert await story(world) == [
        (0, "team", "firing"),
        (40, "team", "firing"),
        (55, "boss", "firing"),
    ]


async def test_a_snooze_after_a_step_tells_both_anew_each_in_its_turn(world: World) -> None:
    await world.put(A)
    await world.wait(20 * MINUTE)
    await world.handle(A, snoozed_until=START + timedelta(minutes=40))
    await world.wait(45 * MINUTE)

    assert await story(world) == [
        (0, "team", "firing"),
        (15, "boss", "firing"),
        (40, "team", "firing"),
        (55, "boss", "firing"),
    ]


async def test_restarts_neither_forget_nor_repeat_a_step(world: World) -> None:
    await world.put(A)
    for _ in range(70):
        await world.wait(MINUTE)
        await world.restart()
        await world.put(A)

    assert await story(world) == [
        (0, "team", "firing"),
        (15, "boss", "firing"),
        (60, "chief", "firing"),
    ]


async def test_a_step_that_came_while_the_process_was_down_is_made_up_for(world: World) -> None:
    await world.put(A)
    world.clock.jump_monotonic(3 * 3600)
    await world.restart()
    await world.dispatcher.flush_due()

    assert [who for _, who, _ in await story(world)] == ["team", "boss", "chief"]


async def test_what_is_silenced_is_not_escalated(world: World) -> None:
    await world.put(A)
    await world.silence("a")
    await world.wait(19.5 * MINUTE)
    await world.silence()
    await world.wait(20 * MINUTE)

    assert await story(world) == [
        (0, "team", "firing"),
        (20, "team", "firing"),
        (35, "boss", "firing"),
    ]


async def test_events_are_not_escalated(world: World) -> None:
    await world.put(make_alert("NewIssue", is_event=True))
    await world.wait(2 * 60 * MINUTE, step=60)

    assert [who for _, who, _ in await story(world)] == ["team"]


async def test_a_second_occurrence_has_its_own_way_up(world: World) -> None:
    await world.put(A)
    await world.handle(A, acknowledged_at=START, acknowledged_by="ada")
    await world.wait(5 * MINUTE)
    await world.put(resolve(A, world.clock.now()))
    await world.put(make_alert(instance="a", starts_at=world.clock.now()))
    await world.wait(60 * MINUTE)

    assert "boss" in [who for _, who, _ in await story(world)]


async def test_a_route_without_a_channel_still_escalates(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    integrations = [make_integration(receiver="boss")]
    world = World(database, clock, ids, config=CONFIG, integrations=integrations)
    await world.restart()
    await world.put(A)
    await world.wait(5 * MINUTE)
    await world.restart()
    await world.wait(11 * MINUTE)

    assert await story(world) == [(15, "boss", "firing")]


def test_a_turn_is_noted_once() -> None:
    turns = Turns()
    turns.add("a", START, [])

    assert turns.next_at is None
    assert turns.take(START) == []
