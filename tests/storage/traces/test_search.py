"""Searching segments: every filter, both orders, and pages that neither skip nor repeat."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.storage.traces.reading import TraceReading
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.store import SegmentQuery, SegmentSort
from tests.storage.traces.conftest import open_store
from tests.support.clock import FakeClock
from tests.support.spans import START_US, make_item, make_span, span_id_of, trace_id_of

pytestmark = pytest.mark.anyio

SECOND_US = 1_000_000


async def _fill(store: SqliteTraceStore, clock: FakeClock, count: int = 40, days: int = 4) -> None:
    """Store segments, a second apart, over several parts; every tenth fails."""
    for number in range(1, count + 1):
        if number % (count // days) == 0:
            clock.jump(timedelta(days=1))
        span = make_span(
            1,
            trace_id=trace_id_of(number),
            span_id=span_id_of(number),
            name=f"GET /{'users' if number % 2 else 'orders_100%'}",
            op="http.server",
            service="api" if number % 4 else "worker",
            environment="staging" if number % 5 == 0 else "production",
            status=SpanStatus.ERROR if number % 10 == 0 else SpanStatus.UNSET,
            started_us=START_US + number * SECOND_US,
            duration_us=(number * 7919) % 1_000 * 1_000,
            attributes={"tag.plan": "pro" if number % 3 else "free", "http.route": "/users"},
        )
        await store.store([make_item(number, span, user=f"id:{number % 7}")])


async def _found(store: SqliteTraceStore, **fields: Any) -> list[int]:
    page = await store.search(SegmentQuery(limit=200, **fields))
    return [int(each.trace_id, 16) for each in page.items]


async def test_every_filter_narrows_down(store: SqliteTraceStore, clock: FakeClock) -> None:
    await _fill(store, clock)
    everything = set(range(1, 41))
    assert set(await _found(store)) == everything
    assert set(await _found(store, name="USERS")) == {n for n in everything if n % 2}
    assert set(await _found(store, name="100%")) == {n for n in everything if not n % 2}
    assert await _found(store, name="100_") == []
    assert set(await _found(store, exact_name="GET /users")) == {n for n in everything if n % 2}
    assert await _found(store, exact_name="GET /user") == []
    assert set(await _found(store, service="worker")) == {n for n in everything if not n % 4}
    assert set(await _found(store, environment="staging")) == {n for n in everything if not n % 5}
    assert set(await _found(store, status="error")) == {10, 20, 30, 40}
    assert set(await _found(store, status="ok")) == everything - {10, 20, 30, 40}
    assert set(await _found(store, user="3")) == {n for n in everything if n % 7 == 3}
    assert set(await _found(store, user="id:3")) == {n for n in everything if n % 7 == 3}
    assert await _found(store, user="username:3") == []
    assert set(await _found(store, tags=(("plan", "free"),))) == {
        n for n in everything if not n % 3
    }
    assert await _found(store, tags=(("plan", "free"), ("plan", "pro"))) == []
    assert len(await _found(store, tags=(("http.route", "/users"),))) == 40
    assert await _found(store, project_id=2) == []
    assert await _found(store, op="http.client") == []
    assert set(await _found(store, release="api@1", only_roots=True)) == everything
    within = await _found(store, start_us=START_US + 5 * SECOND_US, end_us=START_US + 8 * SECOND_US)
    assert within == [7, 6, 5]
    long = await _found(store, min_duration_us=500_000, max_duration_us=700_000)
    assert set(long) == {n for n in everything if 500 <= n * 7919 % 1_000 <= 700}


@pytest.mark.parametrize("sort", list(SegmentSort))
@pytest.mark.parametrize("limit", [1, 3, 7, 39, 40, 41])
async def test_pages_hold_everything_once_and_in_order(
    store: SqliteTraceStore, clock: FakeClock, sort: SegmentSort, limit: int
) -> None:
    await _fill(store, clock)
    whole = await _found(store, sort=sort)
    paged: list[int] = []
    cursor = None
    for _ in range(50):
        page = await store.search(SegmentQuery(sort=sort, limit=limit, cursor=cursor))
        paged += [int(each.trace_id, 16) for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == whole
    keys = [n if sort is SegmentSort.NEWEST else n * 7919 % 1_000 for n in whole]
    assert keys == sorted(keys, reverse=True)


async def test_what_comes_while_somebody_pages_moves_nothing(
    store: SqliteTraceStore, clock: FakeClock
) -> None:
    await _fill(store, clock, count=20)
    first = await store.search(SegmentQuery(limit=10))
    newer = make_span(1, trace_id=trace_id_of(99), started_us=START_US + 99 * SECOND_US)
    await store.store([make_item(99, newer)])
    second = await store.search(SegmentQuery(limit=10, cursor=first.next_cursor))
    assert [int(each.trace_id, 16) for each in second.items] == list(range(10, 0, -1))


@pytest.mark.parametrize(
    "cursor", ["nonsense", "n1-2", "s1-2-3", "n1-2-x", "n-1-2-3", "n" + "9" * 30 + "-1-1"]
)
async def test_a_cursor_that_was_not_given_out_is_refused(
    store: SqliteTraceStore, cursor: str
) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.search(SegmentQuery(cursor=cursor))


async def test_a_search_that_takes_too_long_says_that_it_is_incomplete(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = open_store(tmp_path, clock)
    await _fill(store, clock, count=8)
    moments = iter([0.0, 0.0, 1.0, 2.0, 100.0, *[100.0] * 100])
    slow = TraceReading(
        store.catalog.newest_first, monotonic=lambda: next(moments), timeout_seconds=3
    )
    page = slow.search(SegmentQuery())
    assert not page.is_complete
    assert 0 < len(page.items) < 8
    store.close()


async def test_durations_are_those_of_what_matches(
    store: SqliteTraceStore, clock: FakeClock
) -> None:
    await _fill(store, clock)
    sample = await store.sample_durations(SegmentQuery(status="error"), limit=100)
    assert sorted(sample.durations_us) == sorted(n * 7919 % 1_000 * 1_000 for n in (10, 20, 30, 40))
    assert sorted(sample.failed) == sorted(sample.durations_us)
    assert not sample.is_cut
    assert (await store.sample_durations(SegmentQuery(), limit=10)).is_cut


async def test_facets_are_what_the_latest_segments_have(
    store: SqliteTraceStore, clock: FakeClock
) -> None:
    await _fill(store, clock)
    facets = await store.facets()
    assert facets.services == ("api", "worker")
    assert facets.environments == ("production", "staging")
    assert facets.ops == ("http.server",)
