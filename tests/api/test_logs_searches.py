"""`/api/monitor/logs/searches`: who sees and who changes searches that are kept."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.logs_searches import build_router
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.log_searches import SqlLogSearches
from tests.support.clock import FakeClock
from tests.support.web import ALICE, BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

_SEARCHES = "/api/monitor/logs/searches"
_BODY: dict[str, Any] = {
    "name": " Slow ",
    "query": "duration:>5 ",
    "columns": ["duration", "user.id"],
    "period": "6h",
}


@pytest.fixture
async def client(database: Database, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    router = build_router(searches=SqlLogSearches(database), guard=make_guard(), clock=clock)
    async with serve(router, token=BOB) as client:
        yield client


def as_(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def names(client: httpx.AsyncClient, token: str) -> list[str]:
    answer = await client.get(_SEARCHES, headers=as_(token))
    return [each["name"] for each in answer.json()["items"]]


async def test_a_search_is_kept_changed_and_forgotten(client: httpx.AsyncClient) -> None:
    kept = await client.post(_SEARCHES, json=_BODY)
    assert kept.status_code == 201
    search = kept.json()
    assert (search["name"], search["query"]) == ("Slow", "duration:>5")
    assert (search["columns"], search["period"]) == (["duration", "user.id"], "6h")
    assert (search["owner"], search["is_own"]) == ("bob@example.org", True)

    path = f"{_SEARCHES}/{search['id']}"
    changed = await client.put(path, json={"name": "Slower", "query": "duration:>9"})
    assert changed.json()["created_at"] == search["created_at"]
    assert await names(client, BOB) == ["Slower"]

    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert await names(client, BOB) == []


async def test_what_is_shared_is_seen_by_all_and_changed_by_its_owner(
    client: httpx.AsyncClient,
) -> None:
    own = (await client.post(_SEARCHES, json={**_BODY, "name": "own"})).json()
    shared = (await client.post(_SEARCHES, json={**_BODY, "name": "all", "is_shared": True})).json()

    assert await names(client, BOB) == ["all", "own"]
    assert await names(client, CHARLIE) == ["all"]
    path, hidden = f"{_SEARCHES}/{shared['id']}", f"{_SEARCHES}/{own['id']}"
    assert (await client.delete(path, headers=as_(CHARLIE))).status_code == 403
    assert (await client.post(_SEARCHES, json=_BODY, headers=as_(CHARLIE))).status_code == 403
    assert (await client.put(hidden, json=_BODY, headers=as_(ALICE))).status_code == 404
    assert (await client.put(path, json=_BODY, headers=as_(ALICE))).json()["owner"] == (
        "bob@example.org"
    )
    assert (await client.get(_SEARCHES, headers=as_("nobody"))).status_code == 401


async def test_bad_bodies_are_refused(client: httpx.AsyncClient) -> None:
    for change, status in (
        ({"name": " "}, 422),
        ({"name": "x" * 81}, 422),
        ({"query": "(a"}, 400),
        ({"query": "x" * 5_000}, 422),
        ({"columns": ["x"] * 51}, 422),
        ({"columns": [""]}, 422),
        ({"period": "soon"}, 422),
        ({"unknown": 1}, 422),
    ):
        answer = await client.post(_SEARCHES, json={**_BODY, **change})
        assert answer.status_code == status, change
    assert (await client.put(f"{_SEARCHES}/x", json=_BODY)).status_code == 404


async def test_nobody_keeps_more_than_a_hundred(client: httpx.AsyncClient) -> None:
    for number in range(100):
        await client.post(_SEARCHES, json={"name": str(number)})

    answer = await client.post(_SEARCHES, json=_BODY)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_many")
