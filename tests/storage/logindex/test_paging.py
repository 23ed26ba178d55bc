"""Pages go through all records in the order of time, whatever partition they lie in."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumatch_monitor.logs.query.tree import Equals, Regex
from resumatch_monitor.logs.store import LogQuery
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import read_pages, recent
from tests.support.logs import START_US, place

pytestmark = pytest.mark.anyio


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    offsets=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    limit=st.integers(1, 7),
    partition_rows=st.integers(3, 20),
    batch=st.integers(1, 15),
    newest=st.booleans(),
)
async def test_turns_pages_without_losing_or_repeating_a_record(
    offsets: list[int],
    limit: int,
    partition_rows: int,
    batch: int,
    newest: bool,
    open_store: Callable[..., TantivyLogStore],
) -> None:
    store = open_store(partition_rows=partition_rows)
    marker = uuid4().hex
    records = [
        recent(f"{number}", timestamp_us=START_US + offset * 1_000, environment=marker)
        for number, offset in enumerate(offsets)
    ]
    for at in range(0, len(records), batch):
        await store.append(records[at : at + batch], until=place(at + 1))

    items = await read_pages(store, Equals("environment", marker), limit=limit, newest=newest)
    scanned = await read_pages(store, Regex("environment", f"^{marker}$"), limit=limit)

    sign = -1 if newest else 1
    assert [sign * item.seq for item in items] == sorted({sign * item.seq for item in items})
    assert sorted(item.record.body for item in items) == sorted(map(str, range(len(offsets))))
    times = [sign * item.record.timestamp_us for item in items]
    assert times == sorted(times)
    assert {item.seq for item in scanned} == {item.seq for item in items}
    assert [found and found.record for found in [await store.find(items[0].seq)]] == [
        items[0].record
    ]


async def test_pages_stay_where_they_are_while_more_arrives(
    open_store: Callable[..., TantivyLogStore],
) -> None:
    store = open_store(partition_rows=10)
    for number in range(4):
        records = [recent(f"{number}{index}", timestamp_us=START_US + number) for index in range(8)]
        await store.append(records, until=place(number + 1))

    first = await store.search(LogQuery(), limit=10)
    await store.append([recent("later", timestamp_us=START_US + 10)], until=place(5))
    second = await store.search(LogQuery(), limit=100, after=first.next_seq)

    seen = [item.record.body for item in (*first.items, *second.items)]
    assert len(set(seen)) == len(seen) == 32


async def test_orders_records_of_clocks_that_are_years_off(
    open_store: Callable[..., TantivyLogStore],
) -> None:
    year_us = 365 * 86_400_000_000
    store = open_store()
    times = {"now": START_US, "past": START_US - 10 * year_us, "future": START_US + 10 * year_us}
    times |= {"before": -5, "never": 2**62}
    await store.append(
        [recent(body, timestamp_us=when) for body, when in times.items()], until=place(1)
    )

    items = await read_pages(store)
    narrow = await store.search(
        LogQuery(start_us=START_US - 1_000, end_us=START_US + 1_000), limit=10
    )

    assert [item.record.body for item in items] == ["never", "future", "now", "past", "before"]
    assert [item.record.body for item in narrow.items] == ["now"]
