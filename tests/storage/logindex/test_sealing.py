"""A partition that is full is packed anew, dropped in time, and never missed by a search."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.logs.query.tree import Regex
from resumatch_monitor.logs.store import LogQuery
from resumatch_monitor.storage.logindex.asking import Found, ask
from resumatch_monitor.storage.logindex.codec import BlockCompressor
from resumatch_monitor.storage.logindex.frames import (
    MAGIC,
    FrameKind,
    pack_frame,
    read_layout,
)
from resumatch_monitor.storage.logindex.partition import SEAL_FILE
from resumatch_monitor.storage.logindex.records import RecordReader
from resumatch_monitor.storage.logindex.sealing import is_repacked, sample_rows
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import count_missing, read_bodies, recent
from tests.support.clock import FakeClock
from tests.support.logs import START_US, make_record, place
from tests.support.waiting import wait_for

pytestmark = pytest.mark.anyio

OpenStore = Callable[..., TantivyLogStore]
_HOUR_US = 3_600_000_000


def is_packed(folder: Path, number: int = 1) -> bool | None:
    return is_repacked(read_layout(folder / f"{number:08d}" / "records")) or None


async def fill(store: TantivyLogStore, batches: int, *, rows: int = 20, start: int = 0) -> None:
    for batch in range(start, start + batches):
        records = [
            recent(f"request {batch} {index} finished", attributes={"id": uuid4().hex})
            for index in range(rows)
        ]
        await store.append(records, until=place(batch + 1))


async def test_packs_a_full_partition_anew_and_keeps_every_record(
    folder: Path, open_store: OpenStore
) -> None:
    store = open_store(partition_rows=1_500)
    await fill(store, 30, rows=50)
    whole = (folder / "00000001" / "records").stat().st_size
    expected = await read_bodies(store)
    await fill(store, 1, start=30)
    wait_for(lambda: is_packed(folder))

    assert (folder / "00000001" / "records").stat().st_size < whole
    assert len(expected) == 1_500
    assert set(expected) <= set(await read_bodies(store))
    assert await count_missing(store) == 0
    # The next has the dictionary that was made of this one.
    await fill(store, 4, start=31, rows=400)
    await fill(store, 1, start=35)
    assert read_layout(folder / "00000003" / "records").dictionary is not None
    store = open_store()
    assert len(await read_bodies(store)) == 3_140
    assert await count_missing(store) == 0
    assert store.position() == place(36)


def test_learns_from_a_few_rows_however_small_their_blocks_are(tmp_path: Path) -> None:
    path = tmp_path / "records"
    compressor = BlockCompressor(None)
    blocks = [
        pack_frame(FrameKind.BLOCK, compressor.pack([b"%d" % row]), rows=1, first_row=row)
        for row in range(12_000)
    ]
    path.write_bytes(MAGIC + b"".join(blocks))
    layout = read_layout(path)
    reader = RecordReader(path, layout)

    samples = sample_rows(reader, layout)

    reader.close()
    assert samples == [b"%d" % row for row in range(0, 12_000, 3)]


async def test_packs_anew_what_a_crash_kept_from_it(folder: Path, open_store: OpenStore) -> None:
    store = open_store(partition_rows=40)
    await fill(store, 3)
    # Closing gives up what has not begun; whichever came first, it is done in the end.
    store.close()

    store = open_store(partition_rows=40)
    wait_for(lambda: is_packed(folder))

    assert len(await read_bodies(store)) == 60


async def test_ends_a_partition_after_a_day(open_store: OpenStore) -> None:
    clock = FakeClock()
    store = open_store(clock=clock)
    await store.append([make_record("a")], until=place(1))
    clock.jump(timedelta(hours=23))
    await store.append([make_record("b", observed_us=START_US + 23 * _HOUR_US)], until=place(2))
    assert len(store.partitions()) == 1
    clock.jump(timedelta(hours=2))
    await store.append([make_record("c", observed_us=START_US + 25 * _HOUR_US)], until=place(3))

    assert len(store.partitions()) == 2


async def test_keeps_together_what_waited_in_the_spool_for_days(open_store: OpenStore) -> None:
    clock = FakeClock()
    store = open_store(clock=clock)
    clock.jump(timedelta(days=3))
    for number in range(4):
        record = make_record("waited", observed_us=START_US + number * _HOUR_US)
        await store.append([record], until=place(number + 1))

    assert len(store.partitions()) == 1


async def test_ends_a_partition_that_a_clock_began_that_was_ahead(open_store: OpenStore) -> None:
    store = open_store(clock=FakeClock())
    ahead_us = START_US + 10_000 * _HOUR_US
    await store.append([make_record("ahead", observed_us=ahead_us)], until=place(1))
    await store.append([make_record("after")], until=place(2))

    assert [each.last_us for each in store.partitions()] == [ahead_us, START_US]


async def test_drops_what_arrived_too_long_ago(folder: Path, open_store: OpenStore) -> None:
    clock = FakeClock()
    store = open_store(clock=clock)
    for day in range(4):
        observed_us = START_US + day * 24 * _HOUR_US
        # What they say about their own time does not matter.
        record = make_record(f"day {day}", observed_us=observed_us, timestamp_us=START_US - day)
        await store.append([record], until=place(day + 1))
        clock.jump(timedelta(days=1))

    before = clock.now() - timedelta(days=2, hours=1)
    assert await store.expire(before) == 2

    assert await read_bodies(store) == ["day 2", "day 3"]
    assert await store.expire(before) == 0
    store = open_store(clock=clock)
    assert await read_bodies(store) == ["day 2", "day 3"]
    assert await store.expire(clock.now()) == 2
    assert await read_bodies(store) == []
    await store.append([make_record("again")], until=place(9))
    assert await read_bodies(store) == ["again"]


async def test_drops_the_oldest_until_the_rest_fits(open_store: OpenStore) -> None:
    store = open_store(partition_rows=100)
    await fill(store, 20)
    sizes = [each.size_bytes() for each in store.partitions()]

    dropped = await store.fit(sum(sizes[2:]) + 1_000)

    assert dropped in (100, 200)
    assert len(await read_bodies(store)) == 400 - dropped
    assert (await store.fit(0)) == 400 - dropped
    await fill(store, 1, start=30)
    assert len(await read_bodies(store)) == 20


async def test_does_not_drop_for_a_block_that_says_nothing_of_its_arrival(
    folder: Path, open_store: OpenStore
) -> None:
    store = open_store()
    await fill(store, 2)
    store.close()
    path = folder / "00000001" / "records"
    layout = read_layout(path)
    with path.open("r+b") as file:
        for block in layout.blocks:
            file.seek(block.offset + 4)
            file.write(b"\xff\xff\xff")
    store = open_store()

    assert await store.expire(SystemClock().now() - timedelta(days=1)) == 0
    assert await count_missing(store) == 40


async def test_what_cannot_be_dropped_is_still_found(folder: Path, open_store: OpenStore) -> None:
    store = open_store(partition_rows=20)
    await fill(store, 2)
    obstacle = folder / "00000001.dropped" / "in the way"
    obstacle.mkdir(parents=True)

    with pytest.raises(OSError, match="not empty"):
        await store.fit(0)

    assert len(await read_bodies(store)) == 40
    obstacle.rmdir()
    assert await store.fit(0) == 40
    await fill(store, 1, start=3)
    assert len(await read_bodies(store)) == 20


async def test_drops_the_latest_though_nothing_more_can_be_written(
    folder: Path, open_store: OpenStore
) -> None:
    store = open_store()
    await fill(store, 1)
    # Where the seal would be written.
    (folder / "00000001" / f"{SEAL_FILE}.tmp").mkdir()

    assert await store.fit(0) == 20

    await fill(store, 1, start=2)
    assert len(await read_bodies(store)) == 20
    store = open_store()
    assert len(await read_bodies(store)) == 20


async def test_a_search_outlives_the_partition_it_reads(open_store: OpenStore) -> None:
    store = open_store(partition_rows=100)
    await fill(store, 10)
    first = await store.search(LogQuery(), limit=50)
    oldest = store.partitions()[0]
    searcher = oldest.searcher

    assert await store.fit(0) == 200

    assert searcher.num_docs == 100
    page = await store.search(LogQuery(), limit=50, after=first.next_seq)
    assert (page.items, page.missing) == ((), 0)
    assert (await store.count(LogQuery())).total == 0
    assert await store.find(first.items[0].seq) is None
    assert not (await store.histogram(LogQuery(end_us=2**50), step_us=1_000_000))


async def test_a_scan_ends_where_its_partition_is_dropped(open_store: OpenStore) -> None:
    store = open_store(partition_rows=3_000)
    await fill(store, 1, rows=2_500)
    node = Regex("message", "request .* finished")
    question = ask(store.partitions()[0], LogQuery(node), 0, 2**62)
    assert question is not None
    scan = question.scan(0, 2**62, is_late=lambda: False)
    first = next(scan)

    await store.fit(0)
    others = list(scan)

    assert isinstance(first, Found)
    # What was read together with the first is there, and nothing is said to be damaged.
    assert len(others) < 2_499
    assert all(isinstance(found, Found) and found.stored is not None for found in others)


async def test_searches_while_partitions_are_packed_and_dropped(open_store: OpenStore) -> None:
    store = open_store(partition_rows=40)
    for batch in range(12):
        await fill(store, 1, start=batch)
        page = await store.search(LogQuery(), limit=20)
        assert len(page.items) == 20
        assert page.missing == 0
        if batch % 4 == 3:
            await store.fit(store.size_bytes() // 2)
