"""The routes of silences over real parts."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from resumatch_monitor.api.silences import build_router
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.silences import SqlSilences
from tests.dispatch.builders import START, make_alert, make_occurrence
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

PATH = "/api/monitor/silences"
DATABASE = make_alert("DatabaseConnectionFailed", instance="db-1")
ERRORS = make_alert("HighErrorRate")


@pytest.fixture
async def silences(database: Database, clock: FakeClock, ids: SequentialIds) -> Silences:
    return Silences(
        store=SqlSilences(database),
        on_change=lambda: None,
        clock=clock,
        ids=ids,
        telemetry=Telemetry(),
    )


@pytest.fixture
def router(silences: Silences, clock: FakeClock) -> APIRouter:
    def receivers(_: Labels) -> list[str]:
        return ["default"]

    firing = FiringAlerts()
    firing.update([make_occurrence(each) for each in (DATABASE, ERRORS)])
    return build_router(
        silences=silences, firing=firing, receivers=receivers, clock=clock, guard=make_guard()
    )


@pytest.fixture
async def client(router: APIRouter) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve(router, token=BOB) as client:
        yield client


def body(*matchers: str, **over: Any) -> dict[str, Any]:
    return {
        "matchers": list(matchers) or ['alertname="HighErrorRate"'],
        "comment": "planned",
        "duration": "1h",
        **over,
    }


async def make(client: httpx.AsyncClient, *matchers: str, **over: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=body(*matchers, **over))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_strangers_see_nothing_and_viewers_change_nothing(router: APIRouter) -> None:
    async with serve(router, token=None) as client:
        assert (await client.get(PATH)).status_code == 401
    async with serve(router, token=CHARLIE) as client:
        assert (await client.get(PATH)).status_code == 200
        assert (await client.post(f"{PATH}/preview", json={"matchers": ["a=b"]})).status_code == 200
        assert (await client.post(PATH, json=body())).status_code == 403
        assert (await client.put(f"{PATH}/x", json=body())).status_code == 403
        assert (await client.delete(f"{PATH}/x")).status_code == 403


async def test_a_silence_is_made_shown_and_listed(client: httpx.AsyncClient) -> None:
    made = await make(client, 'alertname=~"High.*"', "team!=ops")

    assert made == {
        "id": made["id"],
        "state": "active",
        "matchers": [
            {"name": "alertname", "op": "=~", "value": "High.*"},
            {"name": "team", "op": "!=", "value": "ops"},
        ],
        "text": '{alertname=~"High.*",team!="ops"}',
        "starts_at": "2026-01-05T12:00:00.000Z",
        "ends_at": "2026-01-05T13:00:00.000Z",
        "created_by": "bob@example.org",
        "comment": "planned",
        "created_at": "2026-01-05T12:00:00.000Z",
        "updated_at": "2026-01-05T12:00:00.000Z",
        "ended_by": None,
        "warned_at": None,
        "alerts": 1,
    }
    shown = (await client.get(f"{PATH}/{made['id']}")).json()
    assert [each["name"] for each in shown.pop("held")] == ["HighErrorRate"]
    assert shown == made
    assert (await client.get(PATH)).json() == {
        "items": [made],
        "next_cursor": None,
        "counts": {"active": 1, "pending": 0, "expired": 0},
    }


async def test_a_silence_that_begins_later_is_pending_and_one_that_ended_is_expired(
    client: httpx.AsyncClient,
) -> None:
    pending = await make(client, starts_at="2026-01-05T14:00:00Z")
    ended = await make(client)
    assert (await client.delete(f"{PATH}/{ended['id']}")).status_code == 204

    page = (await client.get(PATH)).json()

    assert pending["ends_at"] == "2026-01-05T15:00:00.000Z"
    assert [(each["state"], each["alerts"]) for each in page["items"]] == [
        ("pending", 1),
        ("expired", None),
    ]
    only = (await client.get(f"{PATH}?state=expired")).json()
    assert [each["id"] for each in only["items"]] == [ended["id"]]
    assert only["counts"] == {"active": 0, "pending": 1, "expired": 1}
    assert (await client.get(f"{PATH}/{ended['id']}")).json()["held"] == []


async def test_a_silence_is_changed_or_replaced(client: httpx.AsyncClient) -> None:
    made = await make(client)
    path = f"{PATH}/{made['id']}"

    longer = (await client.put(path, json=body(duration="3h"))).json()
    assert (longer["id"], longer["ends_at"]) == (made["id"], "2026-01-05T15:00:00.000Z")
    other = (await client.put(path, json=body('instance="db-1"'))).json()
    assert other["id"] != made["id"]
    assert (await client.get(path)).json()["state"] == "expired"


async def test_the_list_is_searched_and_paged(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await make(client, f'instance="db-{number}"', comment=f"works {number}")

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"{PATH}?limit=2&cursor={cursor}")).json()
        seen.extend(each["comment"] for each in page["items"])
        cursor = page["next_cursor"]
    assert sorted(seen) == [f"works {number}" for number in range(5)]
    for query in ("text=WORKS%203", "text=db-3"):
        (found,) = (await client.get(f"{PATH}?{query}")).json()["items"]
        assert found["comment"] == "works 3"
    (of_alert,) = (await client.get(f"{PATH}?alert={DATABASE.fingerprint}")).json()["items"]
    assert of_alert["comment"] == "works 1"
    assert (await client.get(f"{PATH}?alert={'0' * 16}")).json()["items"] == []


async def test_a_silence_is_tried_before_it_is_made(client: httpx.AsyncClient) -> None:
    await make(client, 'instance="db-1"')

    tried = (await client.post(f"{PATH}/preview", json={"matchers": ["severity=critical"]})).json()

    assert (tried["count"], tried["silenced"], tried["firing"]) == (2, 1, 2)
    assert [each["name"] for each in tried["alerts"]] == [
        "DatabaseConnectionFailed",
        "HighErrorRate",
    ]
    assert len((await client.get(PATH)).json()["items"]) == 1


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        (body("nonsense"), 400, "bad_matcher"),
        (body('a=~"("'), 400, "bad_matcher"),
        (body('a=""'), 400, "invalid"),
        ({**body(), "matchers": []}, 422, "invalid_request"),
        (body(*[f"a{n}=b" for n in range(33)]), 422, "invalid_request"),
        (body(comment="x" * 5000), 400, "invalid"),
        (body(comment=None), 422, "invalid_request"),
        (body(duration=None), 400, "bad_request"),
        (body(ends_at="2026-01-05T13:00:00Z"), 400, "bad_request"),
        (body(duration="soon"), 400, "bad_request"),
        (body(duration="99999999y"), 400, "bad_request"),
        (body(duration="0s"), 400, "invalid"),
        (body(duration=None, ends_at="2026-01-05T11:00:00Z"), 400, "invalid"),
        (body(starts_at="yesterday"), 400, None),
        (body(unknown=1), 422, "invalid_request"),
        ([], 422, "invalid_request"),
    ],
)
async def test_what_is_no_silence_is_refused(
    client: httpx.AsyncClient, wanted: Any, status: int, code: str | None
) -> None:
    answer = await client.post(PATH, json=wanted)

    assert answer.status_code == status, answer.text
    assert code in (None, answer.json()["error"]["code"])
    assert (await client.get(PATH)).json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{PATH}/x"), ("PUT", f"{PATH}/x"), ("DELETE", f"{PATH}/x")],
)
async def test_an_unknown_silence_is_not_found(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    content = body() if method == "PUT" else None

    assert (await client.request(method, path, json=content)).status_code == 404


async def test_a_cursor_that_was_not_given_out_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{PATH}?cursor=x")).status_code == 400


async def test_a_silence_in_the_past_counts_from_now(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    made = await make(client, starts_at="now-2h")

    assert made["starts_at"] == "2026-01-05T12:00:00.000Z"
    assert clock.now() + timedelta(hours=1) == START + timedelta(hours=1)
    assert made["ends_at"] == "2026-01-05T13:00:00.000Z"
