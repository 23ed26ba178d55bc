"""The store as its users see it."""

import asyncio
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.metrics.samples import (
    STALE,
    STALE_BITS,
    RowLayout,
    SamplesRejectedError,
    StoreFullError,
)
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.storage.tsdb.store import StoreLockedError
from tests.storage.tsdb.support import (
    EVERYTHING,
    NOW_MS,
    arrays,
    bits_of,
    open_store,
    read_all,
    series,
)
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

A, B, C = series("a", job="x"), series("b", job="x"), series("c", job="y")


async def test_reads_what_was_appended_cut_to_the_range(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    layout = RowLayout([A, B])
    for step in range(5):
        await store.append_row("x", layout, NOW_MS + step * 1000, np.array([step, -step], float))

    (block,) = store.select(EVERYTHING, NOW_MS + 1000, NOW_MS + 3000)

    assert list(block.timestamps) == [NOW_MS + 1000, NOW_MS + 2000, NOW_MS + 3000]
    assert dict(zip(block.labels, block.values.tolist(), strict=True)) == {
        A: [1.0, 2.0, 3.0],
        B: [-1.0, -2.0, -3.0],
    }
    store.close()


async def test_series_that_come_and_go_are_read_with_their_gaps(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.append_row("x", RowLayout([A, B]), NOW_MS, np.array([1.0, 2.0]))
    await store.append_row("x", RowLayout([B, C]), NOW_MS + 1, np.array([3.0, 4.0]))
    await store.append_row("x", RowLayout([C]), NOW_MS + 2, np.array([5.0]))

    assert read_all(store) == {
        A: {NOW_MS: bits_of(1)},
        B: {NOW_MS: bits_of(2), NOW_MS + 1: bits_of(3)},
        C: {NOW_MS + 1: bits_of(4), NOW_MS + 2: bits_of(5)},
    }
    store.close()


async def test_a_label_set_of_two_targets_is_in_one_block(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.append_row("x", RowLayout([A, B]), NOW_MS, np.array([1.0, 2.0]))
    await store.append_row("y", RowLayout([A]), NOW_MS + 1, np.array([3.0]))
    await store.append_samples([(A, *arrays({NOW_MS - 5: 9.0, NOW_MS: 1.0}))])

    assert read_all(store)[A] == {
        NOW_MS - 5: bits_of(9),
        NOW_MS: bits_of(1),
        NOW_MS + 1: bits_of(3),
    }
    store.close()


async def test_staleness_markers_survive_head_log_and_block(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    layout = RowLayout([A])
    for step, value in enumerate([1.0, STALE, np.nan, np.inf, -0.0, 2.0]):
        await store.append_row("x", layout, NOW_MS + step, np.array([value]))
    expected = read_all(store)
    assert expected[A][NOW_MS + 1] == STALE_BITS
    store.close()

    store = open_store(tmp_path)
    assert read_all(store) == expected
    assert store.seal(NOW_MS + 4)
    assert read_all(store) == expected
    store.close()

    store = open_store(tmp_path)
    assert read_all(store) == expected
    store.close()


async def test_out_of_order_samples_of_any_age_are_taken(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    day = 86_400_000
    for offset in (0, -day, -20 * day, -3 * day):
        await store.append_samples([(A, *arrays({NOW_MS + offset: float(offset)}))])
        store.seal(NOW_MS + 1)

    assert list(read_all(store)[A]) == [NOW_MS - 20 * day, NOW_MS - 3 * day, NOW_MS - day, NOW_MS]
    store.close()


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_an_equal_duplicate_is_dropped_and_a_conflict_refused_by_name(
    tmp_path: Path, is_sealed: bool
) -> None:
    store = open_store(tmp_path)
    await store.append_row("x", RowLayout([A]), NOW_MS, np.array([1.0]))
    await store.append_samples([(B, *arrays({NOW_MS: 2.0}))])
    if is_sealed:
        store.seal(NOW_MS + 1)

    await store.append_samples([(A, *arrays({NOW_MS: 1.0})), (B, *arrays({NOW_MS: 2.0}))])
    with pytest.raises(SamplesRejectedError, match=r'b\{job="x"\}.*another value') as caught:
        await store.append_samples([(B, *arrays({NOW_MS: 7.0, NOW_MS + 1: 8.0}))])

    assert [(each.labels, each.reason) for each in caught.value.rejections] == [(B, "conflict")]
    assert read_all(store) == {
        A: {NOW_MS: bits_of(1)},
        B: {NOW_MS: bits_of(2), NOW_MS + 1: bits_of(8)},
    }
    store.close()


async def test_concurrent_conflicting_writes_do_not_both_succeed(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    results = await asyncio.gather(
        *(store.append_samples([(A, *arrays({NOW_MS: float(i)}))]) for i in range(20)),
        return_exceptions=True,
    )

    winners = [number for number, result in enumerate(results) if result is None]
    assert [bits_of(float(number)) for number in winners] == [read_all(store)[A][NOW_MS]]
    store.close()


async def test_samples_before_the_retention_and_far_ahead_are_rejected(tmp_path: Path) -> None:
    store = open_store(tmp_path, retention=timedelta(days=1))
    samples = {NOW_MS - 2 * 86_400_000: 1.0, NOW_MS: 2.0, NOW_MS + 3_600_000: 3.0}

    with pytest.raises(SamplesRejectedError) as caught:
        await store.append_samples([(A, *arrays(samples))])

    assert sorted(each.reason for each in caught.value.rejections) == ["too_new", "too_old"]
    assert read_all(store) == {A: {NOW_MS: bits_of(2)}}
    store.close()


async def test_a_row_from_before_the_last_one_is_kept(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    layout = RowLayout([A, B])
    await store.append_row("x", layout, NOW_MS, np.array([1.0, 2.0]))
    await store.append_row("x", layout, NOW_MS - 500, np.array([3.0, 4.0]))
    await store.append_row("x", layout, NOW_MS + 500, np.array([5.0, 6.0]))
    expected = {NOW_MS - 500: bits_of(3), NOW_MS: bits_of(1), NOW_MS + 500: bits_of(5)}

    assert read_all(store)[A] == expected
    store.close()
    store = open_store(tmp_path)
    assert read_all(store)[A] == expected
    store.close()


async def test_a_target_that_renames_every_series_on_every_scrape_stays_linear(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    for step in range(30):
        layout = RowLayout([series("m", id=f"{step}-{number}") for number in range(100)])
        await store.append_row("x", layout, NOW_MS + step, np.full(100, float(step)))

    found = read_all(store)

    assert len(found) == 3000
    assert all(len(samples) == 1 for samples in found.values())
    store.close()


async def test_sealing_on_schedule_empties_head_and_log(
    tmp_path: Path, clock: FakeClock, telemetry: Telemetry
) -> None:
    store = open_store(tmp_path, clock=clock, telemetry=telemetry)
    layout = RowLayout([A, B])
    for step in range(400):
        await clock.advance(30)
        at = NOW_MS + (step + 1) * 30_000
        await store.append_row("x", layout, at, np.array([step, 2.0 * step]))
        if step % 40 == 0:
            store.maintain()
    expected = read_all(store)
    store.maintain()

    assert read_all(store) == expected
    assert len(expected[A]) == 400
    head = telemetry.registry.get_sample_value("resumatch_monitor_tsdb_head_samples")
    assert head is not None
    assert 0 < head < 700
    assert len(list((tmp_path / "blocks").iterdir())) == 1
    assert len(list((tmp_path / "wal").iterdir())) <= 2
    store.close()
    store = open_store(tmp_path, clock=clock)
    assert read_all(store) == expected
    store.close()


async def test_a_row_that_comes_in_while_its_time_is_sealed_stays(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    layout = RowLayout([A])
    await store.append_row("x", layout, NOW_MS, np.array([1.0]))
    sealing = asyncio.create_task(asyncio.to_thread(store.seal, NOW_MS + 1000))
    written = {NOW_MS: bits_of(1.0)}
    step = 0
    while not sealing.done():
        step += 1
        await store.append_row("x", layout, NOW_MS + step, np.array([step]))
        written[NOW_MS + step] = bits_of(step)
    assert read_all(store)[A] == written
    store.seal(NOW_MS + 1000)
    store.close()

    store = open_store(tmp_path)
    assert read_all(store)[A] == written
    store.close()


async def test_blocks_past_the_retention_are_deleted_whole(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = open_store(tmp_path, clock=clock, retention=timedelta(hours=6))
    layout = RowLayout([A])
    for hour in range(12):
        await store.append_row("x", layout, NOW_MS + hour * 3_600_000, np.array([float(hour)]))
        await clock.advance(3600)
        store.maintain()

    times = list(read_all(store)[A])

    assert times == [NOW_MS + hour * 3_600_000 for hour in range(6, 12)]
    assert 2 <= len(list((tmp_path / "blocks").iterdir())) <= 4
    store.close()


async def test_the_oldest_blocks_go_when_the_store_is_too_large(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = open_store(tmp_path, clock=clock, retention_size_bytes=12_000)
    rng = np.random.default_rng(1)
    for block in range(6):
        times = NOW_MS + block * 1000 + np.arange(400)
        await store.append_samples([(A, times, rng.normal(size=400))])
        store.seal(NOW_MS + (block + 1) * 1000)
    held = store.select(EVERYTHING, 0, NOW_MS + 10**6)

    store.maintain()

    kept = list((tmp_path / "blocks").iterdir())
    assert 1 <= len(kept) <= 4
    assert min(read_all(store)[A]) > NOW_MS + 1000
    assert held[0].values.shape == (1, 2400), "a result in use is not disturbed"
    store.close()


async def test_below_the_free_space_guard_nothing_is_written(tmp_path: Path) -> None:
    store = open_store(tmp_path, min_free_bytes=1 << 60)

    with pytest.raises(StoreFullError, match="bytes of disk are free"):
        await store.append_row("x", RowLayout([A]), NOW_MS, np.array([1.0]))

    assert read_all(store) == {}
    store.close()


async def test_more_series_than_allowed_are_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path, max_series=2)
    await store.append_row("x", RowLayout([A, B]), NOW_MS, np.array([1.0, 2.0]))

    with pytest.raises(StoreFullError, match="exceed the 2 allowed"):
        await store.append_row("y", RowLayout([C]), NOW_MS, np.array([1.0]))
    await store.append_row("x", RowLayout([A, B]), NOW_MS + 1, np.array([1.0, 2.0]))

    assert set(read_all(store)) == {A, B}
    store.close()


async def test_of_pushed_samples_only_those_of_series_beyond_the_limit_are_refused(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path, max_series=2)
    await store.append_samples([(A, *arrays({NOW_MS: 1.0}))])

    with pytest.raises(SamplesRejectedError, match="max_series") as caught:
        await store.append_samples(
            [
                (B, *arrays({NOW_MS: 2.0})),
                (C, *arrays({NOW_MS: 3.0, NOW_MS + 1: 4.0})),
                (A, *arrays({NOW_MS + 1: 5.0})),
                (B, *arrays({NOW_MS + 1: 6.0})),
            ]
        )

    assert caught.value.count == 2
    assert {each.labels for each in caught.value.rejections} == {C}
    assert {labels: len(found) for labels, found in read_all(store).items()} == {A: 2, B: 2}
    store.close()


async def test_a_query_over_too_many_samples_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path, select_max_samples=5)
    for step in range(3):
        await store.append_row("x", RowLayout([A, B]), NOW_MS + step, np.array([1.0, 2.0]))

    with pytest.raises(QueryLimitError, match="too many samples"):
        store.select(EVERYTHING, 0, NOW_MS + 10)
    store.close()


async def test_finds_series_names_and_values_in_the_range(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.append_row("x", RowLayout([A, B]), NOW_MS, np.array([1.0, 2.0]))
    store.seal(NOW_MS + 1)
    await store.append_samples([(C, *arrays({NOW_MS + 50: 1.0}))])
    is_x = [Matcher("job", MatchOp.EQUAL, "x")]

    assert store.find_series([], 0, NOW_MS + 99) == [A, B, C]
    assert store.find_series([], NOW_MS + 50, NOW_MS + 99) == [C]
    assert store.find_label_names(is_x, 0, NOW_MS + 99) == ["__name__", "job"]
    assert store.find_label_values("__name__", is_x, 0, NOW_MS + 99) == ["a", "b"]
    assert store.find_label_values("job", [], 0, NOW_MS + 10) == ["x"]
    store.close()


async def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    with pytest.raises(StoreLockedError):
        open_store(tmp_path)

    store.close()
    open_store(tmp_path).close()


async def test_selects_run_beside_appends_and_seals(tmp_path: Path) -> None:
    store = open_store(tmp_path, segment_bytes=4096)
    layouts = [RowLayout([series("m", id=str(n)) for n in range(50 + 5 * k)]) for k in range(4)]
    written = 0
    is_done = False

    def read() -> int:
        seen = 0
        while not is_done:
            lowest = written
            blocks = store.select([Matcher("id", MatchOp.EQUAL, "7")], 0, NOW_MS + 10**6)
            if lowest:
                (block,) = blocks
                assert len(block.timestamps) >= lowest
                expected = block.timestamps - NOW_MS
                assert np.array_equal(block.values[0], expected.astype(float))
            seen += 1
        return seen

    readers = [asyncio.create_task(asyncio.to_thread(read)) for _ in range(2)]
    for step in range(160):
        layout = layouts[step // 7 % 4]
        row = np.full(len(layout.labels), float(step))
        await store.append_row("x", layout, NOW_MS + step, row)
        written = step + 1
        if step % 31 == 30:
            await asyncio.to_thread(store.seal, NOW_MS + step - 20)
    is_done = True

    assert all(seen > 0 for seen in await asyncio.gather(*readers))
    store.close()
