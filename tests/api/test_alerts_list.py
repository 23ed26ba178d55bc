from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import APIRouter

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alerts_render import Standings
from resumatch_monitor.dispatch.handling.actions import Action, ActionKind, Actor, Via
from resumatch_monitor.dispatch.handling.handlings import Handlings, Request
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import SqlHandlings
from tests.api.alerts_support import build_alerts_router, build_standings
from tests.dispatch.builders import START, make_alert, resolve
from tests.support.clock import FakeClock
from tests.support.web import CHARLIE, serve

pytestmark = pytest.mark.anyio

ADA = Actor("ada@example.org", Via.UI)
URL = "/api/monitor/alerts"
STATES = ("pending", "firing", "acknowledged", "snoozed", "silenced", "suppressed", "resolved")


@dataclass
class World:
    """Alerts in every state, each called as its state."""

    router: APIRouter
    standings: Standings
    clock: FakeClock

    async def names(self, query: str) -> list[str]:
        return [each["name"] for each in (await self.page(query))["items"]]

    async def page(self, query: str) -> dict[str, Any]:
        async with serve(self.router, token=CHARLIE) as client:
            answer = await client.get(f"{URL}{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()


def find_mute(alert: Alert, _now: datetime) -> Mute | None:
    kinds = {"silenced": MuteKind.SILENCED, "suppressed": MuteKind.QUIET_HOURS}
    kind = kinds.get(alert.name)
    return None if kind is None else Mute(kind, "someone", "held back", START + timedelta(hours=1))


async def build_world(
    database: Database, clock: FakeClock, alerts: Sequence[Alert], pending: Sequence[Alert] = ()
) -> World:
    firing = FiringAlerts()
    firing.update(await SqlAlerts(database).put(alerts, at=START))
    handlings = Handlings(store=SqlHandlings(database), clock=clock)
    standings = build_standings(
        clock=clock, firing=firing, pending=pending, handlings=handlings, mute_of=find_mute
    )
    router = build_alerts_router(database, handlings=handlings, standings=standings)
    by_name = {each.name: each.fingerprint for each in alerts}
    actions = {
        "acknowledged": [Action(ActionKind.ACKNOWLEDGE), Action(ActionKind.ASSIGN, "bob")],
        "snoozed": [Action(ActionKind.SNOOZE, until=START + timedelta(hours=1))],
    }
    await handlings.act(
        [
            Request(by_name[name], action, ADA)
            for name, wanted in actions.items()
            if name in by_name
            for action in wanted
        ]
    )
    return World(router, standings, clock)


@pytest.fixture
async def world(database: Database, clock: FakeClock) -> World:
    times = {name: START - timedelta(minutes=number) for number, name in enumerate(STATES)}
    pending, *others = (
        make_alert(
            name,
            severity="warning" if name in ("firing", "silenced") else "critical",
            starts_at=at,
            team="a" if name < "p" else "b",
            annotations={"summary": f"The {name} ONE"},
        )
        for name, at in times.items()
    )
    return await build_world(database, clock, [*others, resolve(others[-1], START)], [pending])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", list(STATES)),
        *((f"?state={name}", [name]) for name in STATES),
        ("?state=firing,snoozed&state=resolved", ["firing", "snoozed", "resolved"]),
        ("?status=firing", ["firing", "acknowledged", "snoozed", "silenced", "suppressed"]),
        ("?status=pending", ["pending"]),
        ("?status=resolved", ["resolved"]),
        ("?status=resolved&state=firing", []),
        ("?severity=warning", ["firing", "silenced"]),
        ("?severity=warning,critical&name=snoozed", ["snoozed"]),
        ("?name=pending&name=resolved", ["pending", "resolved"]),
        ("?source=rule&state=firing", ["firing"]),
        ("?source=probe", []),
        ("?text=the%20SNOOZED", ["snoozed"]),
        ("?text=resolved", ["resolved"]),
        ('?matcher=team="a"', ["firing", "acknowledged"]),
        ('?matcher=team="b",alertname=~"s.*"', ["snoozed", "silenced", "suppressed"]),
        ('?matcher=team="b"&matcher=alertname=~"r.*"', ["resolved"]),
        ("?assignee=bob", ["acknowledged"]),
        ("?assignee=&severity=warning", ["firing", "silenced"]),
        ("?status=firing&sort=oldest&severity=critical", ["suppressed", "snoozed", "acknowledged"]),
        (
            "?sort=severity",
            ["pending", "acknowledged", "snoozed", "suppressed", "firing", "silenced", "resolved"],
        ),
        ("?sort=name&status=firing&matcher=team=b", ["silenced", "snoozed", "suppressed"]),
    ],
)
async def test_a_list_holds(world: World, query: str, names: list[str]) -> None:
    assert await world.names(query) == names


async def test_an_alert_says_why_it_is_held_back(world: World) -> None:
    (item,) = (await world.page("?state=suppressed"))["items"]

    assert item["mute"] == {
        "kind": "quiet_hours",
        "by": "someone",
        "text": "held back",
        "until": "2026-01-05T13:00:00.000Z",
    }


async def test_counts_tell_of_all_states_whichever_are_listed(world: World) -> None:
    page = await world.page("?state=firing&severity=warning")

    assert {state: count for state, count in page["counts"].items() if count} == {
        "firing": 1,
        "silenced": 1,
    }


async def test_a_snooze_ends_by_itself(world: World) -> None:
    world.clock.jump(timedelta(hours=1))

    assert await world.names("?state=snoozed") == []
    assert "snoozed" in await world.names("?state=firing")


@pytest.mark.parametrize("sort", ["newest", "oldest", "severity", "name"])
@pytest.mark.parametrize("limit", [1, 3, 7, 8])
async def test_pages_leave_no_gap_and_hold_nothing_twice(
    database: Database, clock: FakeClock, sort: str, limit: int
) -> None:
    alerts = [
        make_alert(
            f"A{number % 3}",
            severity=("critical", "warning", "info")[number % 3],
            starts_at=START - timedelta(seconds=number % 4),
            n=str(number),
        )
        for number in range(8)
    ]
    over = [resolve(each, START) for each in alerts[5:]]
    world = await build_world(database, clock, [*alerts, *over], [make_alert("P", n="0")])
    whole = [each["fingerprint"] for each in (await world.page(f"?sort={sort}"))["items"]]

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await world.page(f"?sort={sort}&limit={limit}&cursor={cursor}")
        seen.extend(each["fingerprint"] for each in page["items"])
        cursor = page["next_cursor"]

    assert seen == whole
    assert len(set(whole)) == 9


async def test_what_few_of_many_past_alerts_match_is_found(
    database: Database, clock: FakeClock
) -> None:
    alerts = [make_alert(n=str(number), odd=str(number % 500 == 0)) for number in range(1500)]
    world = await build_world(
        database, clock, [*alerts, *(resolve(each, START) for each in alerts)]
    )

    page = await world.page("?status=resolved&matcher=odd=True&limit=2")
    rest = await world.page(f"?matcher=odd=True&limit=2&cursor={page['next_cursor']}")

    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)


async def test_groups_tell_the_worst_the_oldest_and_where_they_stand(world: World) -> None:
    page = await world.page("/groups?by=team")

    assert page == {
        "by": "team",
        "items": [
            {
                "value": "b",
                "count": 4,
                "severity": "critical",
                "oldest_at": "2026-01-05T11:55:00.000Z",
                "states": {"pending": 1, "snoozed": 1, "silenced": 1, "suppressed": 1},
                "names": ["pending", "silenced", "snoozed", "suppressed"],
            },
            {
                "value": "a",
                "count": 2,
                "severity": "critical",
                "oldest_at": "2026-01-05T11:58:00.000Z",
                "states": {"firing": 1, "acknowledged": 1},
                "names": ["acknowledged", "firing"],
            },
        ],
        "total": 2,
        "is_cut": False,
    }


async def test_groups_take_the_filters_of_the_list(world: World) -> None:
    page = await world.page("/groups?severity=warning&state=firing")

    assert [each["value"] for each in page["items"]] == ["firing"]


@pytest.mark.parametrize(
    "query",
    ["?state=open", "?matcher=a", '?matcher=a=~"("', "/groups?by=", "?sort=size", "?limit=0"],
)
async def test_what_cannot_be_understood_is_refused(world: World, query: str) -> None:
    async with serve(world.router) as client:
        answer = await client.get(f"{URL}{query}")

    assert answer.status_code in (400, 422)


async def test_what_is_in_hand_or_held_back_needs_nobody(
    database: Database, clock: FakeClock
) -> None:
    alerts = [make_alert(name) for name in STATES[1:-1]]
    alerts.append(make_alert("other", severity="info"))
    world = await build_world(database, clock, alerts, [make_alert("pending")])

    assert await world.standings.count_open() == {"critical": 1, "info": 1}
