from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    EDITOR_TOKEN,
    ENVELOPE_URL,
    KEY,
    ErrorStack,
    bearer,
    build_stack,
    make_envelope,
    make_event,
    make_exception,
)

pytestmark = pytest.mark.anyio

_ISSUES = "/api/monitor/issues"


@pytest.fixture
async def stack(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncGenerator[ErrorStack]:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        for number, kind in enumerate(("KeyError", "ValueError", "KeyError"), start=1):
            exception = {"values": [make_exception(kind, f"'{kind} 100%'", "work")]}
            content = make_envelope(make_event(number, exception=exception))
            await stack.client.post(ENVELOPE_URL, content=content)
        await stack.drain()
        stack.client.headers.update(bearer())
        yield stack


async def test_lists_filters_and_counts(stack: ErrorStack) -> None:
    async def found(**params: str) -> tuple[int, list[str]]:
        answer = (await stack.client.get(_ISSUES, params=params)).json()
        return answer["total"], [issue["type"] for issue in answer["items"]]

    assert (await found())[0] == 2
    assert await found(sort="events") == (2, ["KeyError", "ValueError"])
    assert await found(query="value") == (1, ["ValueError"])
    assert await found(query="VALUEERROR 100%") == (1, ["ValueError"])
    assert await found(query="resumatch-api-2") == (1, ["ValueError"])
    assert await found(query="100_") == (0, [])
    assert await found(query="SHOP.CART work") == (2, ["ValueError", "KeyError"])
    assert await found(status="resolved") == (0, [])
    assert await found(project="1", status="unresolved", limit="1") == (2, ["ValueError"])
    assert await found(project="2") == (0, [])


async def test_a_search_that_cannot_be_read_says_where(stack: ErrorStack) -> None:
    answer = await stack.client.get(_ISSUES, params={"query": "KeyError is:open"})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["position"]) == ("bad_query", 12)
    assert "unresolved" in error["expected"]


async def test_a_search_narrows_what_the_other_parameters_let_through(stack: ErrorStack) -> None:
    async def found(**params: str) -> list[str]:
        answer = (await stack.client.get(_ISSUES, params=params)).json()
        assert answer["is_total_exact"] is True
        return [issue["type"] for issue in answer["items"]]

    assert await found(query="timesSeen:>1") == ["KeyError"]
    assert await found(query="timesSeen:>1", status="resolved") == []
    assert await found(query="is:resolved", status="unresolved") == []
    assert await found(sort="trend", query="is:unresolved", trend="14d") != []


async def test_pages_by_cursor(stack: ErrorStack) -> None:
    first = (await stack.client.get(_ISSUES, params={"limit": 1})).json()
    params = {"limit": 1, "cursor": first["next_cursor"]}
    second = (await stack.client.get(_ISSUES, params=params)).json()

    assert first["items"][0]["id"] != second["items"][0]["id"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["nonsense", "!!!", "WyJldmVudHMiLDEsMV0", "W10"])
async def test_refuses_a_cursor_of_another_list(stack: ErrorStack, cursor: str) -> None:
    answer = await stack.client.get(_ISSUES, params={"cursor": cursor})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_cursor"


async def test_shows_an_issue_and_its_events(stack: ErrorStack) -> None:
    detail = (await stack.client.get(f"{_ISSUES}/1")).json()
    events = (await stack.client.get(f"{_ISSUES}/1/events")).json()["items"]
    latest = (await stack.client.get(f"{_ISSUES}/1/events/latest")).json()
    oldest = (await stack.client.get(f"{_ISSUES}/1/events/oldest")).json()
    raw = (await stack.client.get(f"{_ISSUES}/1/events/{latest['event_id']}/raw")).json()

    assert detail["title"] == "KeyError: 'KeyError 100%'"
    assert detail["releases"][0]["version"] == "shop@1.0"
    assert detail["environments"] == ["production"]
    assert len(detail["counts"]["t"]) == len(detail["counts"]["v"]) == 14 * 24
    assert sum(detail["counts"]["v"]) == 2
    assert [event["event_id"] for event in events] == [latest["event_id"], oldest["event_id"]]
    assert latest["previous_event_id"] == oldest["event_id"]
    assert oldest["next_event_id"] == latest["event_id"]
    assert latest["next_event_id"] is None
    assert raw["release"] == "shop@1.0"


@pytest.mark.parametrize(
    "path", ["/99", "/x", "/99/events", "/1/events/" + "0" * 32, "/1/events/zz", "/1/events/zz/raw"]
)
async def test_says_what_is_not_there(stack: ErrorStack, path: str) -> None:
    answer = await stack.client.get(_ISSUES + path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_editors_change_the_status_and_viewers_do_not(stack: ErrorStack) -> None:
    change = {"status": "resolved"}
    refused = await stack.client.patch(f"{_ISSUES}/1", json=change)
    allowed = await stack.client.patch(f"{_ISSUES}/1", json=change, headers=bearer(EDITOR_TOKEN))
    wrong = await stack.client.patch(
        f"{_ISSUES}/1", json={"status": "gone"}, headers=bearer(EDITOR_TOKEN)
    )
    bulk = await stack.client.patch(
        _ISSUES,
        json={"ids": ["1", "2", "77"], "status": "ignored"},
        headers=bearer(EDITOR_TOKEN),
    )

    assert (refused.status_code, wrong.status_code) == (403, 422)
    assert allowed.json()["status"] == "resolved"
    assert allowed.json()["resolved_at"] is not None
    assert allowed.json()["activity"][0]["actor"] == "alice@example.org"
    assert bulk.json()["updated"] == 2


async def test_strangers_see_nothing(stack: ErrorStack) -> None:
    for path in (_ISSUES, f"{_ISSUES}/1", f"{_ISSUES}/1/events", "/api/monitor/projects"):
        answer = await stack.client.get(path, headers={"Authorization": "Bearer nobody-knows-me"})
        assert answer.status_code == 401


async def test_lists_projects_with_their_dsn(stack: ErrorStack) -> None:
    project = (await stack.client.get("/api/monitor/projects")).json()["items"][0]

    assert project["dsn"] == f"http://{KEY}@monitor.example.org:8000/1"
    assert (project["slug"], project["event_count"]) == ("resumatch-api", 3)
