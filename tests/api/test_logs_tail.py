"""`GET /api/monitor/logs/tail` over a real connection."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from typing_extensions import override

from resumatch_monitor.accounts.model import Principal
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.logs_tail import build_router
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.logs.tail import LogTail
from tests.support.logs import make_record
from tests.support.web import CHARLIE, FixedTokens, listen

pytestmark = pytest.mark.anyio

_TAIL = "/api/monitor/logs/tail"
Event = tuple[str, dict[str, Any]]


class Leaving(FixedTokens):
    """Forgets whoever has signed out."""

    def __init__(self) -> None:
        super().__init__()
        self.is_gone = False

    @override
    async def authenticate_bearer(self, token: str) -> Principal | None:
        return None if self.is_gone else await super().authenticate_bearer(token)


class Setting:
    """A hub that looks at records, and who may watch."""

    def __init__(self) -> None:
        self.tail = LogTail(max_tails=2)
        self.tokens = Leaving()

    @asynccontextmanager
    async def serve(self, *, heartbeat_seconds: float = 10) -> AsyncGenerator[httpx.AsyncClient]:
        router = build_router(
            tail=self.tail,
            guard=Guard(self.tokens, is_secure=False),
            clock=SystemClock(),
            heartbeat_seconds=heartbeat_seconds,
        )
        looking = asyncio.create_task(self.tail.run())
        async with asyncio.timeout(20), listen(router, token=CHARLIE) as client:
            yield client
            self.tail.close()
        looking.cancel()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come")


async def read_events(lines: AsyncIterator[str]) -> AsyncGenerator[Event]:
    name = ""
    async for line in lines:
        if line.startswith(":"):
            yield "comment", {}
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, orjson.loads(line[6:])


async def test_records_that_match_are_seen_until_the_monitor_stops() -> None:
    setting = Setting()
    async with (
        setting.serve() as client,
        client.stream("GET", _TAIL, params={"query": "level:error"}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = read_events(answer.aiter_lines())
        assert await anext(events) == ("comment", {})

        setting.tail.publish([make_record("well"), make_record("boom\nline two", severity=17)])
        name, record = await anext(events)
        setting.tail.close()

        assert (name, record["message"], record["severity"]) == (
            "record",
            "boom\nline two",
            "error",
        )
        assert await anext(events) == ("end", {"reason": "stopping"})
        assert [event async for event in events] == []


async def test_a_reader_that_does_not_read_is_told_what_it_missed() -> None:
    setting = Setting()
    body = "x" * 20_000
    async with setting.serve() as client, client.stream("GET", _TAIL) as answer:
        events = read_events(answer.aiter_lines())
        await anext(events)

        # More than the buffers on the way take while nothing is read.
        for batch in range(20):
            setting.tail.publish([make_record(body, logger=str(batch)) for _ in range(200)])
            await until(lambda: not setting.tail.waiting)
        setting.tail.publish([make_record("last")])

        seen = skipped = 0
        async for name, data in events:
            skipped += data.get("skipped", 0)
            seen += name == "record"
            if data.get("message") == "last":
                break

        assert skipped > 0
        assert seen + skipped == 4_001


async def test_silence_is_filled_and_ends_when_the_reader_signs_out() -> None:
    setting = Setting()
    async with (
        setting.serve(heartbeat_seconds=0.02) as client,
        client.stream("GET", _TAIL) as answer,
    ):
        events = read_events(answer.aiter_lines())
        for _ in range(3):
            assert await anext(events) == ("comment", {})

        setting.tokens.is_gone = True

        rest = [event async for event in events]
        assert rest[-1] == ("end", {"reason": "signed_out"})


async def test_too_many_and_bad_queries_are_refused() -> None:
    setting = Setting()
    async with (
        setting.serve() as client,
        client.stream("GET", _TAIL),
        client.stream("GET", _TAIL),
    ):
        refused = await client.get(_TAIL)
        bad = await client.get(_TAIL, params={"query": "(a"})
        stranger = await client.get(_TAIL, headers={"Authorization": "Bearer nobody"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_tails")
    assert (bad.status_code, bad.json()["error"]["position"]) == (400, 0)
    assert stranger.status_code == 401


async def test_a_reader_that_goes_away_leaves_its_place() -> None:
    setting = Setting()
    async with setting.serve(heartbeat_seconds=0.02) as client:
        for _ in range(4):
            async with client.stream("GET", _TAIL) as answer:
                await anext(answer.aiter_lines())
            await until(lambda: not setting.tail.watchers)
