"""Traces are kept within their age and their room, and the valuable ones longest."""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.store import SegmentQuery
from tests.storage.traces.conftest import open_store
from tests.support.clock import FakeClock
from tests.support.spans import START, START_US, make_item, make_span, span_id_of, trace_id_of

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def _fill_day(store: SqliteTraceStore, clock: FakeClock, day: int, count: int = 200) -> None:
    """Store segments; the first fails, the second is the slowest, the third has an error event."""
    items = [
        make_item(
            day * 10_000 + number,
            make_span(
                1,
                trace_id=f"{day:016x}{number * 2_654_435_761 % 2**64:016x}",
                span_id=span_id_of(number + 1),
                name="GET /users",
                status=SpanStatus.ERROR if number == 0 else SpanStatus.UNSET,
                started_us=START_US + day * 86_400_000_000 + number,
                duration_us=10**7 if number == 1 else 1_000 + number,
                attributes={"note": "x" * 300, "number": str(number)},
            ),
            at=clock.now(),
        )
        for number in range(count)
    ]
    await store.store(items)


async def _observe_all(store: SqliteTraceStore, clock: FakeClock) -> None:
    while settled := await store.take_settled(before=clock.now(), limit=500):
        await store.mark_observed(settled)


async def _days(store: SqliteTraceStore) -> dict[int, int]:
    counts: dict[int, int] = {}
    cursor = None
    while True:
        page = await store.search(SegmentQuery(limit=500, cursor=cursor))
        for each in page.items:
            day = int(each.trace_id[:16], 16)
            counts[day] = counts.get(day, 0) + 1
        cursor = page.next_cursor
        if cursor is None:
            return counts


def _names(folder: Path, part: str = ".sqlite3") -> list[str]:
    return sorted(name for name in os.listdir(folder) if part in name and "-" not in name)


async def _fill_days(store: SqliteTraceStore, clock: FakeClock, days: int) -> None:
    for day in range(days):
        await _fill_day(store, clock, day)
        clock.jump(timedelta(days=1))
    await _observe_all(store, clock)


async def test_a_part_goes_when_everything_in_it_is_old_enough(
    store: SqliteTraceStore, clock: FakeClock, tmp_path: Path
) -> None:
    await _fill_days(store, clock, 4)
    assert await store.expire(START + timedelta(days=1, hours=12)) == 2
    assert set(await _days(store)) == {2, 3}
    assert len(_names(tmp_path)) == 2


async def test_the_latest_part_goes_too_when_nothing_comes_any_more(
    store: SqliteTraceStore, clock: FakeClock, tmp_path: Path
) -> None:
    await _fill_day(store, clock, 0)
    clock.jump(timedelta(days=40))
    assert await store.expire(clock.now() - timedelta(days=30)) == 1
    assert _names(tmp_path) == []
    await _fill_day(store, clock, 40)
    assert (await _days(store)) == {40: 200}


async def test_over_its_room_the_oldest_part_is_thinned_to_what_is_valuable(
    tmp_path: Path, clock: FakeClock
) -> None:
    with_error = bytes.fromhex(f"{0:016x}{2 * 2_654_435_761 % 2**64:016x}")

    def find_with_errors(trace_ids: Sequence[bytes]) -> set[bytes]:
        return {with_error} & set(trace_ids)

    store = SqliteTraceStore(
        tmp_path,
        clock=clock,
        max_bytes=64 * MIB,
        min_free_bytes=0,
        find_with_errors=find_with_errors,
    )
    store.open()
    await _fill_days(store, clock, 3)
    size = store.size_bytes()
    fitted = await store.fit(size - 1)
    assert (fitted.thinned, fitted.dropped) == (1, 0)
    days = await _days(store)
    assert days[1] == days[2] == 200
    # The failed one, one with an error event, ten slow ones and a tenth of the others.
    assert 15 <= days[0] <= 50
    for number in (0, 1, 2):
        trace_id = f"{0:016x}{number * 2_654_435_761 % 2**64:016x}"
        (span,) = (await store.find_trace(trace_id, limit=10)).spans
        assert span.attributes["number"] == str(number)
    store.close()
    again = open_store(tmp_path, clock)
    assert (await _days(again)) == days
    again.close()


async def test_when_thinning_is_not_enough_the_oldest_parts_go(
    store: SqliteTraceStore, clock: FakeClock
) -> None:
    await _fill_days(store, clock, 6)
    room = store.size_bytes() * 2 // 5
    fitted = await store.fit(room)
    assert fitted.dropped > 0
    assert store.size_bytes() <= room
    days = await _days(store)
    assert 0 not in days
    assert days[5] == 200


async def test_what_nobody_has_counted_yet_is_not_thinned(
    store: SqliteTraceStore, clock: FakeClock
) -> None:
    for day in range(3):
        await _fill_day(store, clock, day)
        clock.jump(timedelta(days=1))
    fitted = await store.fit(store.size_bytes() - 1)
    assert (fitted.thinned, fitted.dropped) == (0, 1)


async def test_the_part_that_is_written_to_stays(store: SqliteTraceStore, clock: FakeClock) -> None:
    await _fill_day(store, clock, 0)
    fitted = await store.fit(1)
    assert (fitted.thinned, fitted.dropped) == (0, 0)
    assert (await _days(store)) == {0: 200}


async def test_a_full_part_is_followed_by_the_next(tmp_path: Path, clock: FakeClock) -> None:
    store = open_store(tmp_path, clock, max_bytes=16 * MIB)
    for day in range(8):
        await _fill_day(store, clock, day, count=2_000)
    assert len(store.catalog.newest_first()) > 1
    assert sum((await _days(store)).values()) == 16_000
    store.close()


async def test_what_a_crash_left_of_thinning_is_cleared_away(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = open_store(tmp_path, clock)
    await store.store([make_item(1, make_span(1))])
    store.close()
    (name,) = _names(tmp_path)
    unfinished = tmp_path / "00000001.1.sqlite3.tmp"
    unfinished.write_bytes(b"half of a copy")
    (tmp_path / "00000001.1.sqlite3.tmp-wal").write_bytes(b"its log")
    again = open_store(tmp_path, clock)
    assert _names(tmp_path, ".tmp") == []
    assert len((await again.find_trace(trace_id_of(1), limit=5)).spans) == 1
    again.close()
    # The copy had its name already, but what it was made from was not yet deleted.
    (tmp_path / "00000001.1.sqlite3").write_bytes((tmp_path / name).read_bytes())
    third = open_store(tmp_path, clock)
    assert _names(tmp_path) == ["00000001.1.sqlite3"]
    assert len((await third.find_trace(trace_id_of(1), limit=5)).spans) == 1
    third.close()


async def test_what_is_written_to_a_part_while_it_is_thinned_is_not_lost(
    tmp_path: Path, clock: FakeClock
) -> None:
    loop = asyncio.get_running_loop()
    trace_id = f"{0:016x}{7:016x}"
    whole: dict[str, Any] = {"trace_id": trace_id, "segment_id": span_id_of(1)}
    root = make_span(1, started_us=START_US + 86_400_000_000, **whole)
    child = make_span(2, parent=1, duration_us=10**8, **whole)
    arriving = [make_item(999_999, root, at=START + timedelta(days=1))]

    def find_with_errors(_: Sequence[bytes]) -> set[bytes]:
        # Its root comes late, into the part that was begun meanwhile.
        while arriving:
            asyncio.run_coroutine_threadsafe(store.store([arriving.pop()]), loop).result(10)
        return set()

    store = SqliteTraceStore(
        tmp_path,
        clock=clock,
        max_bytes=64 * MIB,
        min_free_bytes=0,
        find_with_errors=find_with_errors,
    )
    store.open()
    await store.store([make_item(999_998, child, at=START)])
    await _fill_day(store, clock, 0, count=2_000)
    clock.jump(timedelta(days=1))
    await _fill_day(store, clock, 1, count=10)
    await _observe_all(store, clock)

    fitted = await store.fit(store.size_bytes() * 4 // 5)

    assert not arriving
    assert (fitted.thinned, fitted.dropped) == (1, 0)
    found = (await store.search(SegmentQuery(limit=500))).items
    assert [each.span_id for each in found if each.trace_id == trace_id] == [root.span_id]
    store.close()
