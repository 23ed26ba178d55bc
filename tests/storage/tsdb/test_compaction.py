"""Joining blocks, deleting, copying."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.storage.tsdb.block import BlockMeta
from resumatch_monitor.storage.tsdb.compaction import find_ranges, plan_compaction
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from resumatch_monitor.storage.tsdb.tombstones import join_periods
from tests.storage.tsdb.support import NOW_MS, arrays, open_store, read_all, series

pytestmark = pytest.mark.anyio

A, B = series("m", id="a"), series("m", id="b")
SECOND = 1000
ONLY_A = [Matcher("id", MatchOp.EQUAL, "a")]


def meta(first: int, last: int) -> BlockMeta:
    return BlockMeta(seal_ids=(1,), min_ms=first, max_ms=last, samples=1, size_bytes=1)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([], []),
        ([meta(0, 9), meta(10, 19), meta(20, 29)], []),
        ([meta(0, 9), meta(10, 19), meta(20, 29), meta(30, 31)], [0, 1, 2]),
        ([meta(0, 9), meta(3, 5), meta(10, 19)], [0, 1]),
        ([meta(0, 29), meta(30, 59), meta(60, 89), meta(90, 95)], [0, 1, 2]),
        ([meta(0, 29), meta(30, 59)], []),
        ([meta(0, 45), meta(10, 19), meta(90, 95)], [0, 1]),
    ],
)
def test_blocks_of_a_period_that_is_past_are_joined(
    blocks: list[BlockMeta], expected: list[int]
) -> None:
    assert plan_compaction(blocks, [10, 30, 90]) == expected


def test_blocks_grow_no_longer_than_a_tenth_of_the_retention() -> None:
    hour = 3_600_000
    assert find_ranges(2 * hour, 30 * 24 * hour) == [2 * hour, 6 * hour, 18 * hour, 54 * hour]
    assert find_ranges(2 * hour, hour) == [2 * hour]


def test_periods_that_touch_are_joined() -> None:
    assert join_periods([(5, 9), (1, 2), (3, 4), (20, 30), (25, 26)]) == [(1, 9), (20, 30)]


async def fill(folder: Path, *, seals: int) -> TimeSeriesStore:
    store = open_store(folder, seal_window=timedelta(seconds=10))
    layout = RowLayout([A, B])
    begin = NOW_MS // (90 * SECOND) * 90 * SECOND - 90 * SECOND
    for step in range(10 * seals + 1):
        row = np.array([step, -step], float)
        await store.append_row("x", layout, begin + step * SECOND, row)
        if step and step % 10 == 0:
            store.seal(begin + step * SECOND)
    return store


def tombstone_files(folder: Path) -> list[Path]:
    return list(folder.rglob("tombstones.json"))


def block_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "blocks").iterdir())


async def test_joined_blocks_hold_the_same_and_survive_a_restart(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=6)
    expected = read_all(store)

    while store.compact():
        pass

    assert read_all(store) == expected
    assert len(block_names(tmp_path)) < 6
    store.close()
    store = open_store(tmp_path)
    assert read_all(store) == expected
    store.close()


async def test_blocks_that_a_joined_one_replaces_are_removed_at_the_start(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=6)
    expected = read_all(store)
    shutil.copytree(tmp_path / "blocks", tmp_path / "before")
    while store.compact():
        pass
    store.close()
    # As if the process had been killed after the joined blocks were there, before the others went.
    after = block_names(tmp_path)
    shutil.copytree(tmp_path / "before", tmp_path / "blocks", dirs_exist_ok=True)

    store = open_store(tmp_path)

    assert block_names(tmp_path) == after
    assert read_all(store) == expected
    store.close()


async def test_deleted_samples_are_gone_from_head_and_blocks_and_stay_so(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=3)
    expected = read_all(store)
    times = sorted(expected[A])
    first, last = times[5], times[-1]

    assert await store.delete_series(ONLY_A, first, last) == 1

    del_range = {time: bits for time, bits in expected[A].items() if not first <= time <= last}
    assert read_all(store) == {**expected, A: del_range}
    store.close()
    store = open_store(tmp_path)
    assert read_all(store) == {**expected, A: del_range}
    await store.clean_tombstones()
    assert read_all(store) == {**expected, A: del_range}
    assert not tombstone_files(tmp_path)
    store.close()


async def test_what_was_deleted_can_be_written_again(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=2)
    time = sorted(read_all(store)[A])[3]
    await store.delete_series(ONLY_A, 0, 1 << 60)

    await store.append_samples([(A, *arrays({time: 77.0}))])

    assert list(read_all(store)[A]) == [time]
    store.close()
    store = open_store(tmp_path)
    assert list(read_all(store)[A]) == [time]
    store.close()


async def test_a_deletion_without_end_does_not_keep_the_log(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=1)
    await store.delete_series(ONLY_A, 0, 1 << 60)
    await store.append_samples([(B, *arrays({NOW_MS: 5.0}))])

    store.seal(NOW_MS + 3_600_000)

    assert len(list((tmp_path / "wal").iterdir())) == 1
    store.close()


async def test_a_damaged_list_of_deletions_costs_no_block(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=2)
    expected = read_all(store)
    await store.delete_series(ONLY_A, 0, 1 << 60)
    store.close()
    for path in tombstone_files(tmp_path):
        path.write_bytes(b"[]" + path.read_bytes())

    store = open_store(tmp_path)

    assert read_all(store)[B] == expected[B]
    store.close()


async def test_a_copy_is_a_store_and_appending_goes_on(tmp_path: Path) -> None:
    store = await fill(tmp_path, seals=2)
    await store.append_samples([(A, *arrays({NOW_MS: 5.0}))])
    expected = read_all(store)

    name = await store.snapshot()
    await store.append_samples([(A, *arrays({NOW_MS + 1: 6.0}))])

    copy = open_store(tmp_path / "snapshots" / name)
    assert read_all(copy) == expected
    assert len(read_all(store)[A]) == len(expected[A]) + 1
    copy.close()
    store.close()
