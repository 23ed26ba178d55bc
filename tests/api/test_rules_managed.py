from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.rules_managed import build_router
from resumatch_monitor.storage.sql.database import Database
from tests.rules.test_managed import FILE, RULE, Keeper, World
from tests.support.clock import FakeClock
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

PATH = "/api/monitor/rules/managed"
BODY: dict[str, Any] = {
    "group": "web",
    "rule": {"alert": "Slow", "expr": "latency > 3", "for": "5m", "labels": {"severity": "info"}},
}


@pytest.fixture
async def keeper(clock: FakeClock, database: Database) -> AsyncIterator[Keeper]:
    keeper = Keeper(World(clock), database)
    yield keeper
    await keeper.world.stop()


@pytest.fixture
async def client(keeper: Keeper) -> AsyncIterator[httpx.AsyncClient]:
    rules = await keeper.start()
    async with serve(build_router(rules=rules, guard=make_guard()), token=BOB) as client:
        yield client


async def test_makes_shows_changes_and_deletes_a_rule(
    client: httpx.AsyncClient, keeper: Keeper
) -> None:
    made = await client.post(PATH, json=BODY)
    document = made.json()
    place = f"{PATH}/{document['id']}"
    changed = await client.put(place, json={"version": 1, "group": "web", "yaml": RULE})
    shown = await client.get(place)
    deleted = await client.delete(place, params={"version": 2})

    assert made.status_code == 201
    assert document == {
        "id": "id-1",
        "group": "web",
        "settings": {"interval": None, "query_offset": None, "limit": 0},
        "name": "Slow",
        "type": "alerting",
        "rule": BODY["rule"],
        "yaml": "alert: Slow\nexpr: latency > 3\nfor: 5m\nlabels:\n  severity: info\n",
        "on_no_data": None,
        "is_enabled": True,
        "is_deleted": False,
        "version": 1,
        "updated_at": document["updated_at"],
        "updated_by": "bob@example.org",
        "twins": [],
    }
    assert changed.json()["rule"]["labels"] == {"severity": "warning"}
    assert shown.json() == changed.json()
    assert deleted.status_code == 204
    assert (await client.get(place)).status_code == 404
    history = (await client.get(f"{place}/versions", params={"limit": 2})).json()
    assert [each["is_deleted"] for each in history["items"]] == [True, False]
    rest = await client.get(f"{place}/versions", params={"cursor": history["next_cursor"]})
    assert [each["version"] for each in rest.json()["items"]] == [1]
    back = await client.post(f"{place}/revert", json={"version": 3, "to": 1})
    assert (back.status_code, back.json()["version"]) == (200, 4)


async def test_a_change_of_what_was_changed_meanwhile_is_a_conflict(
    client: httpx.AsyncClient,
) -> None:
    place = f"{PATH}/{(await client.post(PATH, json=BODY)).json()['id']}"
    current = (await client.post(f"{place}/disable", json={"version": 1})).json()

    answers = [
        await client.put(place, json={**BODY, "version": 1}),
        await client.post(f"{place}/enable", json={"version": 1}),
        await client.delete(place, params={"version": 1}),
        await client.post(f"{place}/revert", json={"version": 1, "to": 1}),
    ]

    assert {answer.status_code for answer in answers} == {409}
    assert {answer.json()["error"]["code"] for answer in answers} == {"version_conflict"}
    assert answers[0].json()["error"]["current"] == current
    assert (current["is_enabled"], current["version"]) == (False, 2)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            {"group": "web", "yaml": "alert: A\nexpr: up ==\n"},
            {"line": 2, "column": 7, "field": "expr", "rule": "A"},
        ),
        (
            {"group": "web", "rule": {"alert": "A", "expr": "up", "for": "soon"}},
            {"line": 1, "field": "for", "rule": "A"},
        ),
        ({"group": " ", "rule": {"alert": "A", "expr": "up"}}, {"line": None, "field": "group"}),
        (
            {**BODY, "settings": {"interval": "1ms"}},
            {"line": None, "field": "interval"},
        ),
        ({"group": "web", "rule": {"alert": {"a": 1}, "expr": "up"}}, {"field": "alert"}),
        ({"group": "web", "rule": {"alert": "A", "expr": ["up"]}}, {"field": "expr"}),
        ({"group": "web", "rule": {"alert": "\ud7ff\x00", "expr": "up ="}}, {"field": "expr"}),
    ],
)
async def test_says_what_is_wrong_with_a_rule(
    client: httpx.AsyncClient, body: dict[str, Any], problem: dict[str, Any]
) -> None:
    answer = await client.post(PATH, json=body)

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "invalid_rule"
    assert error["problems"][0].items() >= problem.items()
    assert error["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"group": "web"},
        {**BODY, "yaml": RULE},
        {**BODY, "unknown": 1},
        {**BODY, "on_no_data": "panic"},
        {**BODY, "group": "x" * 401},
        [],
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.post(PATH, json=body)

    assert answer.status_code in (400, 422)
    assert (await client.get(PATH)).json()["items"] == []


async def test_names_rules_whose_alerts_would_be_taken_for_its_own(
    client: httpx.AsyncClient,
) -> None:
    await client.post(PATH, json=BODY)
    other = {**BODY, "group": "more", "rule": {**BODY["rule"], "expr": "other > 1"}}
    unlike = {**other, "rule": {**BODY["rule"], "labels": {"severity": "critical"}}}

    twin = (await client.post(PATH, json=other)).json()
    single = (await client.post(PATH, json=unlike)).json()

    assert (twin["twins"], single["twins"]) == (["managed, group web"], [])


async def test_pages_the_rules(client: httpx.AsyncClient) -> None:
    for number in range(5):
        rule = {"alert": f"A{number}", "expr": "up"}
        await client.post(PATH, json={"group": "web", "rule": rule})

    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(PATH, params={"limit": 2, "cursor": cursor})).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert names == ["A0", "A1", "A2", "A3", "A4"]


async def test_imports_and_exports_a_file(client: httpx.AsyncClient) -> None:
    body = {"text": FILE}

    trial = await client.post("/api/monitor/rules/import", json={**body, "check": True})
    first = await client.post("/api/monitor/rules/import", json=body)
    again = await client.post("/api/monitor/rules/import", json=body)
    replaced = await client.post("/api/monitor/rules/import", json={**body, "replace": True})
    broken = await client.post("/api/monitor/rules/import", json={"text": "groups: 3"})
    exported = await client.get("/api/monitor/rules/export", params={"source": "managed"})

    assert trial.json() == first.json()
    assert first.json() == {"added": 3, "changed": 0, "removed": 0, "groups": ["more", "web"]}
    assert (again.status_code, again.json()["error"]["group"]) == (409, "web")
    assert replaced.json() == {"added": 0, "changed": 0, "removed": 0, "groups": []}
    assert broken.json()["error"]["problems"][0]["message"] == "groups: a list is expected"
    assert exported.headers["content-type"].startswith("application/yaml")
    assert exported.text.startswith("groups:\n- name: more\n")
    assert (await client.get("/api/monitor/rules/export?source=x")).status_code == 422
    assert (await client.get("/api/monitor/rules/export?format=x")).status_code == 422


async def test_exports_what_prometheus_does_not_know_if_asked_for(
    client: httpx.AsyncClient,
) -> None:
    await client.post(PATH, json={**BODY, "on_no_data": "keep"})

    plain = await client.get("/api/monitor/rules/export?source=managed")
    extended = await client.get("/api/monitor/rules/export?source=managed&format=monitor")

    assert "\n    on_no_data: keep\n" not in plain.text
    assert "\n    on_no_data: keep\n" in extended.text


async def test_changes_the_interval_of_a_group(client: httpx.AsyncClient) -> None:
    await client.post(PATH, json=BODY)
    place = "/api/monitor/rules/managed-groups"

    changed = await client.put(f"{place}/web", json={"interval": "5m"})
    wrong = await client.put(f"{place}/web", json={"interval": "5 minutes"})
    missing = await client.put(f"{place}/nosuch", json={})

    assert changed.json() == {
        "name": "web",
        "interval": "5m",
        "query_offset": None,
        "limit": 0,
        "rules": 1,
    }
    assert wrong.json()["error"]["problems"][0]["field"] == "interval"
    assert missing.status_code == 404


async def test_viewers_look_and_strangers_do_not(keeper: Keeper) -> None:
    rules = await keeper.start()
    router = build_router(rules=rules, guard=make_guard())
    async with serve(router, token=CHARLIE) as viewer:
        assert (await viewer.get(PATH)).status_code == 200
        assert (await viewer.get("/api/monitor/rules/export")).status_code == 200
        changing = [
            await viewer.post(PATH, json=BODY),
            await viewer.put(f"{PATH}/x", json={**BODY, "version": 1}),
            await viewer.delete(f"{PATH}/x?version=1"),
            await viewer.post(f"{PATH}/x/enable", json={"version": 1}),
            await viewer.post(f"{PATH}/x/disable", json={"version": 1}),
            await viewer.post(f"{PATH}/x/revert", json={"version": 1, "to": 1}),
            await viewer.put("/api/monitor/rules/managed-groups/x", json={}),
            await viewer.post("/api/monitor/rules/import", json={"text": FILE}),
        ]
    assert {answer.status_code for answer in changing} == {403}
    async with serve(router, token=None) as stranger:
        assert (await stranger.get(PATH)).status_code == 401
