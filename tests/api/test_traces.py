"""`/api/monitor/traces`: searches, one trace over services with its errors, one span."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.traces import TraceSources, build_router
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from resumatch_monitor.storage.logindex.trace_logs import TraceLogs
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.trace_errors import SqlTraceErrors
from resumatch_monitor.tracing.model import SpanStatus
from tests.support.clock import FakeClock
from tests.support.errors import (
    ENVELOPE_URL,
    build_stack,
    make_envelope,
    make_event,
    make_exception,
)
from tests.support.logs import make_record, place
from tests.support.spans import START_US, make_item, make_span, span_id_of, trace_id_of
from tests.support.tracing import TraceStack, open_trace_stack
from tests.support.web import ALICE, make_guard, serve

pytestmark = pytest.mark.anyio

_TRACES = "/api/monitor/traces"
TRACE = f"{_TRACES}/{trace_id_of(1)}"


@pytest.fixture
async def stack(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[TraceStack]:
    async with open_trace_stack(tmp_path / "traces", clock=clock) as stack:
        web = make_span(1, service="web", name="pageload /", op="pageload", duration_us=9_000)
        api = make_span(
            2,
            parent=1,
            service="api",
            is_segment=True,
            name="GET /users/{id}",
            started_us=START_US + 1_000,
            duration_us=5_000,
            attributes={"tag.plan": "pro", "url.full": "http://api/users/7"},
        )
        query = make_span(
            3,
            parent=2,
            service="api",
            op="db",
            name="SELECT 1",
            segment_id=span_id_of(2),
            status=SpanStatus.ERROR,
            started_us=START_US + 2_000,
        )
        orphan = make_span(5, parent=4, service="api", segment_id=span_id_of(4))
        await stack.store.store(
            [make_item(1, query, api, user="id:7"), make_item(2, web), make_item(3, orphan)]
        )
        clock.jump_monotonic(1)
        yield stack


@pytest.fixture
async def client(
    stack: TraceStack, database: Database, clock: FakeClock
) -> AsyncGenerator[httpx.AsyncClient]:
    sources = TraceSources(reader=stack.store, errors=SqlTraceErrors(database))
    async with serve(build_router(sources=sources, clock=clock, guard=make_guard())) as client:
        yield client


async def test_a_trace_is_a_tree_over_services(client: httpx.AsyncClient) -> None:
    trace = (await client.get(TRACE)).json()
    rows = [(n["name"], n["depth"], n["service"], n["status"]) for n in trace["spans"]]
    assert rows == [
        ("pageload /", 0, "web", "unset"),
        ("GET /users/{id}", 1, "api", "unset"),
        ("SELECT 1", 2, "api", "error"),
        ("work 5", 0, "api", "unset"),
    ]
    assert trace["spans"][1]["start_seconds"] == 0.001
    assert [n["is_orphan"] for n in trace["spans"]] == [False, False, False, True]
    assert trace["missing_parents"] == [span_id_of(4)]
    assert (trace["span_count"], trace["error_count"], trace["is_cut"]) == (4, 1, False)
    assert trace["duration_seconds"] == 0.009
    assert {each["service"]: each["span_count"] for each in trace["services"]} == {
        "web": 1,
        "api": 3,
    }


async def test_a_trace_that_did_not_change_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get(TRACE)
    second = await client.get(TRACE, headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")


async def test_a_large_trace_is_packed(client: httpx.AsyncClient, stack: TraceStack) -> None:
    spans = [make_span(number, parent=100, trace_id=trace_id_of(2)) for number in range(100, 1_100)]
    await stack.store.store([make_item(9, *spans)])
    answer = await client.get(f"{_TRACES}/{trace_id_of(2)}")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["span_count"] == 1_000


async def test_a_trace_id_may_be_written_in_several_ways(client: httpx.AsyncClient) -> None:
    with_dashes = f"{trace_id_of(1)[:8]}-{trace_id_of(1)[8:]}".upper()
    assert (await client.get(f"{_TRACES}/{with_dashes}")).status_code == 200


@pytest.mark.parametrize(
    "path", ["nonsense", trace_id_of(9), "0" * 32, f"{trace_id_of(1)}/spans/{span_id_of(9)}"]
)
async def test_what_is_not_there_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{_TRACES}/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_a_span_is_shown_in_full(client: httpx.AsyncClient) -> None:
    span = (await client.get(f"{TRACE}/spans/{span_id_of(2)}")).json()
    assert span["attributes"] == {"tag.plan": "pro", "url.full": "http://api/users/7"}
    assert (span["parent_span_id"], span["is_segment"]) == (span_id_of(1), True)


async def _names(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(_TRACES, params={"from": "now-1h", **params})
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["items"]]


async def test_searches_narrow_down(client: httpx.AsyncClient) -> None:
    assert await _names(client, roots=True, sort="slowest") == ["pageload /"]
    assert await _names(client, service="api", tag="plan=pro") == ["GET /users/{id}"]
    assert await _names(client, tag=["plan:pro", "nothing:here"]) == []
    assert await _names(client, user="7", min_seconds=0.004, max_seconds=0.006) == [
        "GET /users/{id}"
    ]
    assert await _names(client, status="error") == ["GET /users/{id}"]
    assert await _names(client, to="now-30m") == []
    first = (await client.get(_TRACES, params={"limit": 1})).json()
    second = (await client.get(_TRACES, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert first["items"][0]["span_id"] != second["items"][0]["span_id"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"cursor": "nonsense"}, 400),
        ({"tag": "plan"}, 400),
        ({"from": "yesterday"}, 400),
        ({"from": "now", "to": "now-1h"}, 400),
        ({"min_seconds": "-1"}, 422),
        ({"min_seconds": "nan"}, 422),
        ({"sort": "best"}, 422),
        ({"status": "perhaps"}, 422),
        ({"limit": "1000"}, 422),
        ({"tag": ["a=b"] * 11}, 422),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, params: dict[str, Any], status: int
) -> None:
    answer = await client.get(_TRACES, params=params)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


async def test_durations_are_a_histogram(client: httpx.AsyncClient) -> None:
    found = (await client.get(f"{_TRACES}/durations", params={"roots": True})).json()
    assert (found["count"], found["p50_seconds"]) == (1, 0.009)
    (bucket,) = found["buckets"]
    assert bucket["from_seconds"] <= 0.009 < bucket["to_seconds"]
    nothing = (await client.get(f"{_TRACES}/durations", params={"name": "nothing"})).json()
    assert (nothing["buckets"], nothing["p99_seconds"]) == ([], None)


async def test_what_was_logged_stands_beside_the_spans(
    stack: TraceStack, database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    logs = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    logs.open()
    late = make_record(
        "x" * 5_000,
        trace_id=trace_id_of(1),
        timestamp_us=START_US + 3_000,
        attributes={"long": "y" * 900, "n": 1, "many": [1, 2]},
    )
    early = make_record(
        "connecting", trace_id=trace_id_of(1), span_id=span_id_of(3), timestamp_us=START_US + 1_500
    )
    elsewhere = make_record("other", trace_id=trace_id_of(2), timestamp_us=START_US)
    await logs.append([late, early, elsewhere], until=place(1))
    sources = TraceSources(
        reader=stack.store, errors=SqlTraceErrors(database), logs=TraceLogs(logs)
    )
    async with serve(build_router(sources=sources, clock=clock, guard=make_guard())) as client:
        found = (await client.get(TRACE)).json()["logs"]
    logs.close()

    assert [(log["span_id"], log["offset_seconds"]) for log in found] == [
        (span_id_of(3), 0.0015),
        (None, 0.003),
    ]
    assert (found[0]["message"], found[0]["severity"]) == ("connecting", "info")
    assert len(found[1]["message"]) == 2_000
    assert found[1]["attributes"] == {"long": "y" * 500, "n": 1}


async def test_facets_are_listed(client: httpx.AsyncClient) -> None:
    facets = (await client.get(f"{_TRACES}/facets")).json()
    assert facets["services"] == ["api", "web"]


async def test_only_who_is_known_may_look(
    stack: TraceStack, database: Database, clock: FakeClock
) -> None:
    sources = TraceSources(reader=stack.store, errors=SqlTraceErrors(database))
    router = build_router(sources=sources, clock=clock, guard=make_guard())
    async with serve(router, token=None) as stranger:
        assert (await stranger.get(TRACE)).status_code == 401
    async with serve(router, token=ALICE) as known:
        assert (await known.get(TRACE)).status_code == 200


async def test_errors_stand_where_they_occurred(
    tmp_path: Path, client: httpx.AsyncClient, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path / "errors", database=database, clock=clock) as errors:
        contexts = {"trace": {"trace_id": trace_id_of(1), "span_id": span_id_of(3)}}
        exception = {"values": [make_exception("ValueError", "no such user", "work")]}
        content = make_envelope(make_event(1, exception=exception, contexts=contexts))
        await errors.client.post(ENVELOPE_URL, content=content)
        await errors.client.post(ENVELOPE_URL, content=make_envelope(make_event(2)))
        await errors.drain()
    (error,) = (await client.get(TRACE)).json()["errors"]
    assert (error["title"], error["message"], error["span_id"]) == (
        "ValueError",
        "no such user",
        span_id_of(3),
    )
    assert error["issue_id"]
    found = SqlTraceErrors(database)
    ids = [bytes.fromhex(trace_id_of(number)) for number in (1, 2)]
    assert found.find_with_errors(ids) == {ids[0]}
    assert await found.forget(clock.now() + timedelta(days=1)) == 1
    assert found.find_with_errors(ids) == set()
