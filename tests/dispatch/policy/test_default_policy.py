"""The policy of the house from an alert to the outbox: who hears what, by which channel, when."""

from typing import Any

import pytest

from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import START, make_alert, make_integration, resolve
from tests.dispatch.muting.test_muting import World
from tests.dispatch.policy.test_policy import EMAIL, SLACK
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

CONFIG: dict[str, Any] = {
    "receivers": [
        {
            "name": "team",
            "email": [EMAIL],
            "slack": [SLACK],
            "pagerduty": [{"routing_key": "k" * 32}],
        }
    ]
}
KINDS = ("email", "slack", "pagerduty")
MINUTE = 60


@pytest.fixture
async def world(database: Database, clock: FakeClock, ids: SequentialIds) -> World:
    integrations = [make_integration(receiver="team", kind=kind) for kind in KINDS]
    world = World(database, clock, ids, config=CONFIG, integrations=integrations)
    await world.restart()
    return world


async def sent(world: World) -> list[tuple[float, str, str]]:
    """Return when what kind of message went which way, in order."""
    deliveries = await SqlOutbox(world.database).list_deliveries(limit=100)
    return sorted(
        ((each.created_at - START).total_seconds(), each.kind, each.integration)
        for each in deliveries
    )


async def test_a_critical_alert_goes_everywhere_at_once(world: World) -> None:
    alert = make_alert()
    await world.put(alert)
    await world.put(resolve(alert, START))
    await world.wait(MINUTE)

    assert await sent(world) == [
        *((0, "firing", kind) for kind in sorted(KINDS)),
        *((60, "resolved", kind) for kind in sorted(KINDS)),
    ]


async def test_a_warning_goes_to_chat_and_pages_if_nobody_acknowledges_it(world: World) -> None:
    alert = make_alert(severity="warning")
    await world.put(alert)
    await world.wait(20 * MINUTE, step=5)
    await world.put(resolve(alert, START))
    await world.wait(2 * MINUTE)

    # A warning waits 15 s for company.
    found = await sent(world)
    assert found[:2] == [
        (15, "firing", "slack"),
        (15 + 15 * MINUTE, "firing", "pagerduty"),
    ]
    assert {(kind, way) for _, kind, way in found[2:]} == {
        ("resolved", "slack"),
        ("resolved", "pagerduty"),
    }
    assert len(found) == 4


@pytest.mark.parametrize("minutes", [1, 14])
async def test_an_acknowledged_or_resolved_warning_pages_nobody(
    world: World, minutes: float
) -> None:
    acknowledged = make_alert("A", severity="warning")
    resolved = make_alert("B", severity="warning")
    await world.put(acknowledged, resolved)
    await world.wait(minutes * MINUTE)
    await world.put(resolve(resolved, world.clock.now()))
    await world.handle(acknowledged, acknowledged_at=START, acknowledged_by="ada")
    await world.wait(60 * MINUTE, step=15)

    assert "pagerduty" not in {way for _, _, way in await sent(world)}


@pytest.mark.parametrize("is_event", [True, False])
async def test_information_waits_for_the_weekly_digest(world: World, *, is_event: bool) -> None:
    await world.put(make_alert(severity="info", is_event=is_event))
    await world.wait(60 * MINUTE, step=15)

    assert await sent(world) == []


async def test_a_new_issue_is_told_once_and_pages_nobody(world: World) -> None:
    await world.put(make_alert("NewIssue", severity="warning", is_event=True))
    await world.wait(60 * MINUTE, step=15)

    assert await sent(world) == [(15, "firing", "slack")]
