"""Spans go in, in any order and more than once, and come out as what they are."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.model import SpanEvent, SpanLink, SpanStatus
from resumatch_monitor.tracing.store import SegmentQuery, TracesUnavailableError
from tests.storage.traces.conftest import open_store
from tests.support.clock import FakeClock
from tests.support.spans import START, START_US, make_item, make_span, span_id_of, trace_id_of

pytestmark = pytest.mark.anyio


async def _spans_of(store: SqliteTraceStore, trace: int = 1):
    return (await store.find_trace(trace_id_of(trace), limit=1_000)).spans


async def test_spans_come_back_as_they_were(store: SqliteTraceStore) -> None:
    root = make_span(1, status=SpanStatus.ERROR, status_text="internal_error", op="http.server")
    child = make_span(
        2,
        parent=1,
        segment_id=span_id_of(1),
        segment_name="work 1",
        started_us=START_US + 10,
        attributes={"db.query.text": "SELECT 1", "n": 3, "yes": True, "list": ["a", 1]},
        links=(SpanLink(trace_id_of(9), span_id_of(9)),),
        events=(SpanEvent("exception", START_US + 20, {"exception.type": "ValueError"}),),
    )
    root = replace(root, segment_id=root.span_id, segment_name=root.name)
    await store.store([make_item(1, root, child)])
    assert await _spans_of(store) == (root, child)


async def test_a_trace_that_nobody_sent_has_no_spans(store: SqliteTraceStore) -> None:
    assert await _spans_of(store, 7) == ()


async def test_an_item_that_comes_again_is_stored_once(store: SqliteTraceStore) -> None:
    item = make_item(1, make_span(1), make_span(2, parent=1))
    assert (await store.store([item])).spans == 2
    outcome = await store.store([item])
    assert (outcome.spans, outcome.duplicates) == (0, 1)
    (segment,) = (await store.search(SegmentQuery())).items
    assert segment.span_count == 2


async def test_an_item_is_known_again_after_a_restart_and_in_the_next_part(
    tmp_path: Path, clock: FakeClock
) -> None:
    first = open_store(tmp_path, clock)
    item = make_item(1, make_span(1))
    await first.store([item])
    first.close()
    clock.jump(timedelta(days=1))
    second = open_store(tmp_path, clock)
    await second.store([make_item(2, make_span(5, trace_id=trace_id_of(2)))])
    assert (await second.store([item])).duplicates == 1
    assert len(second.catalog.newest_first()) == 2
    second.close()


async def test_a_span_that_came_in_two_items_is_one_span(store: SqliteTraceStore) -> None:
    await store.store([make_item(1, make_span(1)), make_item(2, make_span(1))])
    assert len(await _spans_of(store)) == 1


async def test_a_segment_is_listed_before_its_root_comes_and_whole_after(
    store: SqliteTraceStore,
) -> None:
    child = make_span(
        2,
        parent=1,
        segment_id=span_id_of(1),
        segment_name="GET /x",
        started_us=START_US + 500,
    )
    await store.store([make_item(1, child)])
    (early,) = (await store.search(SegmentQuery())).items
    assert (early.name, early.has_root, early.started_us) == ("GET /x", False, START_US + 500)
    root = make_span(1, name="GET /x", duration_us=9_000, op="http.server")
    await store.store([make_item(2, root)])
    (late,) = (await store.search(SegmentQuery())).items
    assert (late.has_root, late.started_us, late.duration_us) == (True, START_US, 9_000)
    assert (late.op, late.span_count) == ("http.server", 2)
    await store.store([make_item(3, replace(child, span_id=span_id_of(3)))])
    (later,) = (await store.search(SegmentQuery())).items
    assert (later.started_us, later.duration_us, later.span_count) == (START_US, 9_000, 3)


async def test_a_segment_that_lies_across_midnight_is_listed_once(
    store: SqliteTraceStore, clock: FakeClock
) -> None:
    clock.jump(timedelta(hours=11, minutes=59, seconds=59))
    await store.store([make_item(1, make_span(2, parent=1, segment_id=span_id_of(1)))])
    clock.jump(timedelta(seconds=2))
    await store.store([make_item(2, make_span(1))])
    assert len(store.catalog.newest_first()) == 2
    (segment,) = (await store.search(SegmentQuery())).items
    assert segment.has_root
    assert len(await _spans_of(store)) == 2


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    first = open_store(tmp_path, clock)
    await first.store([make_item(1, make_span(1))])
    first.close()
    second = open_store(tmp_path, clock)
    assert len(await _spans_of(second)) == 1
    await second.store([make_item(2, make_span(2, parent=1))])
    assert len(await _spans_of(second)) == 2
    second.close()


async def test_a_dictionary_is_trained_and_everything_stays_readable(
    store: SqliteTraceStore, tmp_path: Path
) -> None:
    def item(number: int):
        return make_item(
            number,
            make_span(
                1,
                trace_id=trace_id_of(number),
                attributes={"http.route": f"/users/{number}", "server.address": "web-1"},
            ),
        )

    for begin in range(1, 3_001, 500):
        await store.store([item(number) for number in range(begin, begin + 500)])
    part = store.catalog.latest
    assert part is not None
    with part.read() as reader:
        used = dict(
            reader.connection.execute("SELECT dict_id, count(*) FROM fragments GROUP BY dict_id")
        )
    assert set(used) == {0, 1}
    for number in (1, 1_500, 3_000):
        (span,) = await _spans_of(store, number)
        assert span.attributes["http.route"] == f"/users/{number}"


async def test_nothing_is_stored_when_the_disk_is_nearly_full(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = SqliteTraceStore(
        tmp_path, clock=clock, max_bytes=2**30, min_free_bytes=1_000, free_bytes=lambda _: 999
    )
    store.open()
    with pytest.raises(TracesUnavailableError):
        await store.store([make_item(1, make_span(1))])
    store.close()


async def test_a_file_that_is_no_part_is_left_out_and_left_alone(
    tmp_path: Path, clock: FakeClock
) -> None:
    damaged = tmp_path / "00000001.0.sqlite3"
    damaged.write_bytes(b"this is not a database" * 1_000)
    store = open_store(tmp_path, clock)
    await store.store([make_item(1, make_span(1))])
    assert len(await _spans_of(store)) == 1
    store.close()
    assert damaged.exists()


async def test_a_damaged_part_hides_nothing_of_the_others(tmp_path: Path, clock: FakeClock) -> None:
    first = open_store(tmp_path, clock)
    await first.store([make_item(number, make_span(number)) for number in range(1, 200)])
    first.close()
    clock.jump(timedelta(days=1))
    second = open_store(tmp_path, clock)
    await second.store([make_item(900, make_span(900))])
    path = second.catalog.newest_first()[-1].path
    content = bytearray(path.read_bytes())
    content[8_192:] = b"x" * (len(content) - 8_192)
    path.write_bytes(content)
    assert [span.span_id for span in await _spans_of(second)] == [span_id_of(900)]
    assert [each.span_id for each in (await second.search(SegmentQuery())).items] == [
        span_id_of(900)
    ]
    assert await second.facets()
    second.close()


async def test_a_settled_segment_is_given_out_until_it_is_marked(
    store: SqliteTraceStore,
) -> None:
    foreign = make_span(9, parent=2, is_segment=True, service="worker")
    await store.store([make_item(1, make_span(3, parent=2), make_span(2, parent=1), foreign)])
    await store.store([make_item(2, make_span(1), user="id:7")])
    later = START + timedelta(seconds=1)
    settled = await store.take_settled(before=later, limit=10)
    by_root = {each.segment.root.span_id: each.segment for each in settled if each.segment}
    assert set(by_root) == {span_id_of(1), span_id_of(9)}
    mine = by_root[span_id_of(1)]
    assert [span.span_id for span in mine.spans] == [span_id_of(2), span_id_of(3)]
    assert (mine.user, mine.key) == ("id:7", (trace_id_of(1), span_id_of(1)))
    assert await store.take_settled(before=START - timedelta(seconds=1), limit=10) == []
    await store.mark_observed(settled)
    assert await store.take_settled(before=later, limit=10) == []
    counts = {each.span_id: each.span_count for each in (await store.search(SegmentQuery())).items}
    assert counts == {span_id_of(1): 3, span_id_of(9): 1}


async def test_readers_and_the_writer_do_not_wait_for_each_other(store: SqliteTraceStore) -> None:
    async def write(number: int) -> None:
        await store.store([make_item(number, make_span(1, trace_id=trace_id_of(number)))])

    await asyncio.gather(
        *(write(number) for number in range(1, 40)),
        *(store.search(SegmentQuery()) for _ in range(20)),
    )
    assert len((await store.search(SegmentQuery(limit=100))).items) == 39
