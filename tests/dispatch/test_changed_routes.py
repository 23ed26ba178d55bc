"""What a change of the configuration does to what people were told before it."""

from typing import Any

import pytest

from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from tests.dispatch.builders import START, make_alert, make_integration, resolve
from tests.dispatch.muting.test_muting import World, notifications
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

A = make_alert(instance="a")
BEFORE: dict[str, Any] = {
    "receivers": [{"name": "team"}, {"name": "boss"}],
    "escalations": [{"name": "up", "steps": [{"after": "15m", "receiver": "boss"}]}],
    "route": {"receiver": "team", "group_by": ["alertname"], "escalation": "up"},
}
INTEGRATIONS = [make_integration(receiver=name) for name in ("team", "boss")]


async def story(world: World) -> list[tuple[str, str]]:
    return [(each.receiver, each.kind.value) for each in await notifications(world.database)]


@pytest.mark.parametrize("restarts", [0, 2])
async def test_who_was_told_by_a_route_that_is_gone_is_told_the_end(
    database: Database, clock: FakeClock, ids: SequentialIds, *, restarts: int
) -> None:
    world = World(database, clock, ids, config=BEFORE, integrations=INTEGRATIONS)
    await world.restart()
    await world.put(A)
    await world.wait(16 * 60)
    assert await story(world) == [("team", "firing"), ("boss", "firing")]

    world.options["config"] = {
        **BEFORE,
        "route": {"receiver": "team", "group_by": ["alertname", "instance"]},
    }
    for _ in range(1 + restarts):
        await world.restart()
        await world.wait(5 * 3600, step=300)
    told = await story(world)
    assert told[2] == ("team", "firing")
    assert ("boss", "firing") not in told[2:]

    await world.put(resolve(A, clock.now()))
    await world.wait(600)

    ends = [each for each in await story(world) if each[1] == "resolved"]
    assert sorted(ends) == [("boss", "resolved"), ("team", "resolved"), ("team", "resolved")]
    snapshot = await SqlAlerts(database).load()
    assert (snapshot.occurrences, snapshot.told) == ([], {})
    assert world.dispatcher.groups() == []


async def test_a_receiver_that_is_gone_is_owed_nothing(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    world = World(database, clock, ids, config=BEFORE, integrations=INTEGRATIONS)
    await world.restart()
    await world.put(A)
    world.options["config"] = {"route": {"receiver": "default"}}
    world.options["integrations"] = [make_integration()]
    await world.restart()
    await world.wait(60)
    await world.put(resolve(A, START))
    await world.wait(600)

    assert await story(world) == [
        ("team", "firing"),
        ("default", "firing"),
        ("default", "resolved"),
    ]
    assert (await SqlAlerts(database).load()).occurrences == []
