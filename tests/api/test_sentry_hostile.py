"""What nobody should send: never a 5xx, never an event twice, and CORS on every answer."""

import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import brotli
import httpx
import orjson
import pytest
import zstandard
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.api import sentry as sentry_api
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import install_error_handlers
from resumatch_monitor.api.lanes import ProjectLanes
from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, decode_record
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import OutcomeLedger
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.sentry.screening import Screening
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outcomes import SqlOutcomeStore
from tests.support.clock import FakeClock
from tests.support.errors import (
    ENVELOPE_URL,
    KEY,
    PROJECT,
    ErrorStack,
    build_stack,
    make_envelope,
    make_event,
)

pytestmark = pytest.mark.anyio

_MIB = 1024 * 1024
_BOMB_BYTES = 40 * _MIB
_WAYS = (
    ENVELOPE_URL,
    f"/api/1/store/?sentry_key={KEY}",
    f"/api/1/security/?sentry_key={KEY}",
    f"/api/1/cron/nightly/{KEY}/",
    "/tunnel",
)
_brotli_compress = cast("Callable[[bytes], bytes]", brotli.compress)  # pyright: ignore[reportUnknownMemberType]
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: zlib.compress(body, wbits=31),
    "deflate": zlib.compress,
    "br": _brotli_compress,
    "zstd": zstandard.compress,
}


class Sink:
    """Keeps what is appended, as a spool does."""

    def __init__(self) -> None:
        self.records: list[ItemRecord] = []

    async def append(self, payload: bytes) -> None:
        self.records.append(decode_record(payload))


@asynccontextmanager
async def open_door(folder: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, Sink]]:
    """Yield a client of a door that takes every kind, with bodies of a mebibyte."""
    clock, telemetry, sink = FakeClock(), Telemetry(), Sink()
    metrics = DoorMetrics(telemetry)
    store = SqlOutcomeStore(Database(folder / "never-opened.sqlite3"))
    outcomes = OutcomeLedger(store, clock=clock)
    intake = Intake(
        projects=Projects([PROJECT]),
        sinks=dict.fromkeys(ItemKind, sink),
        limits=ItemLimits(),
        screening=Screening(quotas=Quotas(clock=clock), outcomes=outcomes, metrics=metrics),
        metrics=metrics,
        clock=clock,
        ids=RandomIds(),
    )
    app = FastAPI()
    install_error_handlers(app)
    bodies = BodyReader(max_bytes=_MIB)
    app.include_router(sentry_api.build_router(intake=intake, bodies=bodies, metrics=metrics))
    lanes = sentry_api.build_lanes(intake=intake, bodies=bodies, metrics=metrics)
    app.add_middleware(ProjectLanes, handlers=lanes)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://test"
    ) as client:
        yield client, sink


@pytest.mark.parametrize("coding", _PACKERS)
async def test_a_bomb_is_refused_on_every_way(tmp_path: Path, coding: str) -> None:
    bomb = _PACKERS[coding](bytes(_BOMB_BYTES))
    twice = _PACKERS[coding](_PACKERS[coding](bytes(_BOMB_BYTES)))

    async with open_door(tmp_path) as (client, _):
        for url in _WAYS:
            answers = [
                await client.post(url, content=bomb, headers={"Content-Encoding": coding}),
                await client.post(
                    url, content=twice, headers={"Content-Encoding": f"{coding}, {coding}"}
                ),
                await client.post(url, content=bomb[:-4], headers={"Content-Encoding": coding}),
                await client.post(url, content=bomb, headers={"Content-Encoding": "gzip, x, br"}),
            ]
            assert all(400 <= answer.status_code < 500 for answer in answers), url
            assert answers[0].status_code == 413
            assert all("Access-Control-Allow-Origin" in answer.headers for answer in answers)


_DEEP = b"[" * 5_000 + b"]" * 5_000
_NESTED = b'{"a":' * 600 + b"1" + b"}" * 600
_HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "line ends": b"\n" * 1_000,
    "zeros": bytes(1_000),
    "no object": b"[]\n{}\n",
    "a deep header": _NESTED + b'\n{"type":"session"}\n{}\n',
    "a deep item header": b'{}\n{"type":"session","a":' + _NESTED + b"}\n{}\n",
    "a deep trace": b'{"trace":' + _NESTED + b'}\n{"type":"session"}\n{}\n',
    "a deep event": b'{}\n{"type":"event"}\n{"extra":' + _NESTED + b"}\n",
    "a deeper event": b'{}\n{"type":"event"}\n{"extra":' + _DEEP + b"}\n",
    "deep spans": b'{}\n{"type":"span"}\n{"items":[{"health":' + _NESTED + b"}]}\n",
    "a hundred thousand items": b"{}\n" + b'{"type":"session"}\n{}\n' * 40_000,
    "a hundred thousand of no type": b"{}\n" + b"{}\n\n" * 100_000,
    "half a character": b'{"event_id":"\\ud800"}\n{"type":"\\udfff"}\n{"a":"\\ud83d"}\n',
    "no unicode": b'{}\n{"type":"event"}\n{"message":"\xff\xfe"}\n',
    "a negative length": b'{}\n{"type":"event","length":-1}\n{}\n',
    "a huge length": b'{}\n{"type":"event","length":99999999999999999999999}\n{}\n',
    "a length that is none": b'{}\n{"type":"event","length":true}\n{}\n',
    "a length in words": b'{}\n{"type":"event","length":"9"}\n{}\n',
    "a type that is none": b'{}\n{"type":{"a":1}}\n{}\n',
    "numbers without end": b'{}\n{"type":"event"}\n{"timestamp":1e400,"level":'
    + b"9" * 400
    + b"}\n",
    "counts without end": b'{}\n{"type":"span","item_count":1e99}\n{}\n',
    "a long header": b'{"a":"' + b"x" * 100_000 + b'"}\n{"type":"event"}\n{}\n',
    "a report of nonsense": b'{}\n{"type":"client_report"}\n{"discarded_events":{"a":[[]]}}\n',
    "metrics of nonsense": b'{}\n{"type":"trace_metric"}\n{"items":[[],{"name":[]}]}\n',
    "names twice": b'{"a":1,"a":2}\n{"type":"event","type":"event"}\n{"message":"m"}\n',
}


@pytest.mark.parametrize("name", _HOSTILE)
async def test_hostile_bodies_are_answered_below_500_on_every_way(
    tmp_path: Path, name: str
) -> None:
    async with open_door(tmp_path) as (client, sink):
        for url in _WAYS:
            answer = await client.post(url, content=_HOSTILE[name])
            assert answer.status_code < 500, (url, answer.text)
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert len(answer.text) < 2_000
        assert len(sink.records) <= 1_000


async def test_hostile_events_are_digested_and_stop_nothing(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        for body in _HOSTILE.values():
            await stack.client.post(ENVELOPE_URL, content=body)
        await send_twice(stack)
        await stack.drain()

        page = await stack.reader.list_issues(IssueQuery(limit=200), clock.now())
        known = [issue for issue in page.items if issue.type == "KeyError"]
        assert [issue.event_count for issue in known] == [1]


async def send_twice(stack: ErrorStack) -> None:
    """Send an event in one envelope twice, in another once more, and by the other way."""
    twice = make_envelope(make_event(1), make_event(1))
    for body in (twice, make_envelope(make_event(1))):
        assert (await stack.client.post(ENVELOPE_URL, content=body)).status_code == 200
    store = f"/api/1/store/?sentry_key={KEY}"
    await stack.client.post(store, content=orjson.dumps(make_event(1)))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Sentry-Auth": "Sentry"},
        {"X-Sentry-Auth": "Sentry sentry_key"},
        {"X-Sentry-Auth": "Sentry sentry_key=" + "x" * 10_000},
        {"X-Sentry-Auth": "Basic abc", "Authorization": "Sentry ,,,=,"},
        {"X-Sentry-Auth": "Sentry sentry_key=\xe9"},
        {"User-Agent": "\xff" * 5_000, "X-Sentry-Auth": f"Sentry sentry_key={KEY}"},
    ],
)
async def test_hostile_headers_are_answered_below_500(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with open_door(tmp_path) as (client, _):
        for path in ("/api/1/envelope/", "/api/1/store/", "/api/1/security/"):
            answer = await client.post(path, content=make_envelope(make_event()), headers=raw)
            assert answer.status_code < 500
            assert answer.headers["Access-Control-Allow-Origin"] == "*"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
_TYPES = st.sampled_from([*(kind.value for kind in ItemKind), "client_report", "trace_metric", "x"])
_PAYLOAD = st.binary(max_size=60) | _JSON.map(orjson.dumps)


@st.composite
def _items(draw: st.DrawFn) -> bytes:
    payload = draw(_PAYLOAD)
    header: dict[str, Any] = {"type": draw(_TYPES | _JSON)}
    length = draw(st.sampled_from(["right", "none", "wrong"]))
    if length != "none":
        header["length"] = len(payload) + (draw(st.integers(-5, 5)) if length == "wrong" else 0)
    return orjson.dumps(header) + b"\n" + payload + b"\n"


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["event_id", "sent_at", "trace", "dsn"]), _JSON),
    st.lists(_items(), max_size=5),
)
async def test_no_envelope_is_answered_with_a_server_s_error(
    tmp_path_factory: pytest.TempPathFactory, headers: dict[str, Any], items: list[bytes]
) -> None:
    async with open_door(tmp_path_factory.getbasetemp()) as (client, sink):
        body = orjson.dumps(headers) + b"\n" + b"".join(items)

        answer = await client.post(ENVELOPE_URL, content=body)

        assert answer.status_code in (200, 400, 403)
        assert len(sink.records) <= len(items)
        # Each has an id of its own, and can be read again.
        assert len({record.item_id for record in sink.records}) == len(sink.records)


@settings(max_examples=60)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=3), st.integers(0, 400))
async def test_no_damage_to_an_envelope_is_a_server_s_error(
    tmp_path_factory: pytest.TempPathFactory, position: int, damage: bytes, end: int
) -> None:
    whole = make_envelope(make_event(1), make_event(2), event_id="a" * 32)
    broken = whole[:position] + damage + whole[position + len(damage) : len(whole) - end]
    async with open_door(tmp_path_factory.getbasetemp()) as (client, sink):
        answer = await client.post(ENVELOPE_URL, content=broken)

        assert answer.status_code in (200, 400)
        assert (answer.status_code == 200) or not sink.records
