"""`GET /api/monitor/logs/export` over a real connection."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import orjson
import pytest

from resumatch_monitor.api.logs_export import build_router
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import make_record, place
from tests.support.web import CHARLIE, listen, make_guard

pytestmark = pytest.mark.anyio

_EXPORT = "/api/monitor/logs/export"
_RECORDS = 2_500


@pytest.fixture
async def client(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    start_us = (to_milliseconds(clock.now()) - 60_000) * 1_000
    records = [
        make_record(
            f"request {number} " + "x" * 8_000,
            timestamp_us=start_us + number * 1_000,
            attributes={"n": number},
        )
        for number in range(_RECORDS)
    ]
    await store.append(records, until=place(1))
    router = build_router(logs=store, guard=make_guard(), clock=clock)
    async with asyncio.timeout(30), listen(router, token=CHARLIE) as client:
        yield client
    store.close()


async def test_every_record_is_exported_once_in_pages(client: httpx.AsyncClient) -> None:
    answer = await client.get(_EXPORT, params={"fields": "n, msg"})

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert 'filename="logs.ndjson"' in answer.headers["content-disposition"]
    rows = [orjson.loads(line) for line in answer.content.splitlines()]
    assert [row["n"] for row in rows] == list(range(_RECORDS))[::-1]
    assert rows[0]["message"].startswith("request 2499 ")


async def test_csv_has_a_head_and_as_many_lines_as_are_wanted(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        _EXPORT, params={"format": "csv", "limit": 1_200, "query": "n:<2000", "fields": "n,level"}
    )

    lines = answer.text.splitlines()
    assert lines[:2] == ["n,severity", "1999,info"]
    assert len(lines) == 1_201


async def test_who_goes_away_leaves_room_for_others(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        async with AsyncExitStack() as stack:
            reading: list[AsyncIterator[bytes]] = []
            for _ in range(2):
                answer = await stack.enter_async_context(client.stream("GET", _EXPORT))
                assert answer.status_code == 200
                reading.append(answer.aiter_raw())
                await anext(reading[-1])
            refused = await client.get(_EXPORT)
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                429,
                "too_many_exports",
            )
        for _ in range(1_000):
            if (await client.get(_EXPORT, params={"limit": 1})).status_code == 200:
                break
            await asyncio.sleep(0.005)
        else:
            raise AssertionError("the places stay taken")


async def test_bad_parameters_and_strangers_are_refused(client: httpx.AsyncClient) -> None:
    for query, status in (
        ("format=xml", 422),
        ("limit=0", 422),
        ("limit=1000001", 422),
        ("query=(", 400),
        ("from=x", 400),
        ("fields=" + "a," * 101, 400),
        ("fields=" + "a" * 5_000, 422),
    ):
        assert (await client.get(f"{_EXPORT}?{query}")).status_code == status, query
    stranger = await client.get(_EXPORT, headers={"Authorization": "Bearer nobody"})
    assert stranger.status_code == 401
