"""Searches in Loki's words."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.loki_query import build_router
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import START_US, make_record, place
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

_LOKI = "/loki/api/v1"
_FIRST_US = START_US - 60_000_000


@pytest.fixture
async def client(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    records = [
        make_record(
            f"GET /users/{number} took 5ms",
            timestamp_us=_FIRST_US + number * 1_000_000 + 7,
            service="web" if number % 2 else "api",
            attributes={"pod": f"p{number % 3}"},
        )
        for number in range(10)
    ]
    await store.append(records, until=place(1))
    async with serve(
        build_router(logs=store, guard=make_guard(), clock=clock), token=CHARLIE
    ) as client:
        yield client
    store.close()


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(f"{_LOKI}{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


async def test_lines_come_by_stream_in_either_direction(client: httpx.AsyncClient) -> None:
    data = await get(client, "/query_range", query='{service_name=~"a.*|web"} |= "users"')

    assert data["resultType"] == "streams"
    assert [stream["stream"]["service_name"] for stream in data["result"]] == ["web", "api"]
    assert data["result"][0]["stream"] == {
        "service_name": "web", "level": "info", "environment": "production", "source": "elastic",
    }  # fmt: skip
    newest = data["result"][0]["values"][0]
    assert newest == [str((_FIRST_US + 9_000_007) * 1_000), "GET /users/9 took 5ms"]

    oldest = await get(client, "/query_range", query='{app="web"}', direction="FORWARD", limit=2)
    lines = [line for _, line in oldest["result"][0]["values"]]
    assert lines == ["GET /users/1 took 5ms", "GET /users/3 took 5ms"]


async def test_times_are_nanoseconds_seconds_or_words(client: httpx.AsyncClient) -> None:
    start_us, end_us = _FIRST_US + 2_000_000, _FIRST_US + 4_000_008
    for start, end in (
        (start_us * 1_000, end_us * 1_000),
        (start_us / 1e6, end_us / 1e6 + 0.001),
        ("2026-01-05T11:59:02Z", "2026-01-05T11:59:04.5Z"),
        ("now-58s", "now-55500ms"),
    ):
        data = await get(client, "/query_range", query="{}", start=start, end=end)
        assert sum(len(each["values"]) for each in data["result"]) == 3, (start, end)
    at_once = await get(client, "/query", query='{pod="p0"}')
    assert sum(len(each["values"]) for each in at_once["result"]) == 4


async def test_labels_and_their_values(client: httpx.AsyncClient) -> None:
    assert {"pod", "level", "service_name"} <= set(await get(client, "/labels"))
    assert await get(client, "/label/service_name/values") == ["api", "web"]
    assert await get(client, "/label/pod/values", query='{} |= "users/1 "') == ["p1"]
    assert await get(client, "/label/nothing/values") == []


async def test_what_is_not_understood_is_a_sentence(client: httpx.AsyncClient) -> None:
    for path, status, reason in (
        ("/query_range?query=sum(rate({}[5m]))", 400, "line 1, col 1: only log queries"),
        ("/query_range?query={}&start=soon", 400, "start cannot be read"),
        ("/query_range?query={}&start=now&end=now-1h", 400, "start is after end"),
        ("/query_range?query={}&limit=5000", 422, "limit"),
        ("/query_range", 422, "query"),
        ("/query?query={", 400, "col 2"),
        ("/labels?end=soon", 400, "end cannot be read"),
        ("/label/x/values?query={", 400, "col 2"),
    ):
        answer = await client.get(f"{_LOKI}{path}")
        assert answer.status_code == status, path
        assert reason in answer.text
    stranger = await client.get(f"{_LOKI}/labels", headers={"Authorization": "Bearer nobody"})
    assert stranger.status_code == 401
