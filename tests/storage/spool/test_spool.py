import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.kit.spool import FullReason, SpoolFullError
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.records import HEADER_BYTES
from resumatch_monitor.storage.spool.segments import cut_torn_tail, segment_path
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits

pytestmark = pytest.mark.anyio

_ROOMY = SpoolLimits(max_bytes=1024 * 1024 * 1024)
_CHILD = Path(__file__).with_name("appender.py")


@asynccontextmanager
async def opened(
    folder: Path,
    limits: SpoolLimits = _ROOMY,
    *,
    telemetry: Telemetry | None = None,
    free_bytes: Callable[[Path], int] | None = None,
) -> AsyncGenerator[Spool]:
    metrics = SpoolTelemetry(telemetry or Telemetry()).for_signal("errors")
    spool = Spool(folder, limits=limits, metrics=metrics, free_bytes=free_bytes)
    spool.start()
    try:
        yield spool
    finally:
        spool.stop()


def segment_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.spool"))


async def append_until_full(spool: Spool, size: int) -> tuple[list[bytes], SpoolFullError]:
    kept: list[bytes] = []
    try:
        for number in range(100):
            payload = bytes([number]) * size
            await spool.append(payload)
            kept.append(payload)
    except SpoolFullError as error:
        return kept, error
    raise AssertionError("the spool takes everything")


def start_appender(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(_CHILD), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def read_all(spool: Spool, max_records: int = 100) -> list[bytes]:
    records: list[bytes] = []
    while spool.pending:
        batch = await spool.read_batch(max_records, 1024 * 1024)
        records.extend(batch.records)
        await spool.commit(batch)
    return records


async def test_returns_records_in_order_and_only_once(tmp_path: Path) -> None:
    payloads = [b"%d" % number for number in range(250)]

    async with opened(tmp_path) as spool:
        for payload in payloads:
            await spool.append(payload)
        assert spool.pending == 250
        assert await read_all(spool) == payloads
        assert spool.pending == 0
        assert (await spool.read_batch(10, 10)).records == ()


async def test_keeps_what_was_not_committed_over_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await asyncio.gather(*(spool.append(b"%d" % number) for number in range(10)))
        batch = await spool.read_batch(4, 1024)
        await spool.commit(batch)

    async with opened(tmp_path) as spool:
        assert spool.pending == 6
        assert await read_all(spool) == [b"4", b"5", b"6", b"7", b"8", b"9"]


async def test_deletes_segments_that_are_consumed(tmp_path: Path) -> None:
    limits = SpoolLimits(max_bytes=1024 * 1024, segment_bytes=1_000)
    async with opened(tmp_path, limits) as spool:
        for number in range(50):
            await spool.append(bytes([number]) * 100)
        assert len(segment_files(tmp_path)) > 3

        assert len(await read_all(spool, 7)) == 50

        assert len(segment_files(tmp_path)) <= 1
        await spool.drop_consumed()
        assert not segment_files(tmp_path)
        await spool.append(b"next")

    async with opened(tmp_path, limits) as spool:
        assert await read_all(spool) == [b"next"]


async def test_does_not_drop_what_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"waiting")

        await spool.drop_consumed()

        assert await read_all(spool) == [b"waiting"]


async def test_cuts_a_torn_tail(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"whole")
        await spool.append(b"torn in the middle")
    path = segment_path(tmp_path, 1)
    os.truncate(path, path.stat().st_size - 5)

    async with opened(tmp_path) as spool:
        assert spool.pending == 1
        await spool.append(b"after")
        assert await read_all(spool) == [b"whole", b"after"]


@pytest.mark.parametrize("offset_in_record", [0, 5, 9, HEADER_BYTES + 2])
async def test_skips_and_counts_damage_in_the_middle(tmp_path: Path, offset_in_record: int) -> None:
    async with opened(tmp_path) as spool:
        for payload in (b"first", b"second", b"third"):
            await spool.append(payload)
    path = segment_path(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + 5 + offset_in_record] ^= 0xFF
    path.write_bytes(content)

    telemetry = Telemetry()
    async with opened(tmp_path, telemetry=telemetry) as spool:
        assert await read_all(spool) == [b"first", b"third"]
        assert spool.pending == 0
    name = "resumatch_monitor_spool_corrupt_records_total"
    assert telemetry.registry.get_sample_value(name, {"signal": "errors"}) == 1


async def test_survives_a_spoilt_position(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await asyncio.gather(*(spool.append(b"%d" % number) for number in range(3)))
        await spool.commit(await spool.read_batch(1, 1024))
        await spool.commit(await spool.read_batch(1, 1024))
    with (tmp_path / "position").open("r+b") as file:
        # The second commit is in slot 0.
        file.write(b"\xff" * 28)

    async with opened(tmp_path) as spool:
        assert await read_all(spool) == [b"1", b"2"]


async def test_refuses_beyond_its_size_and_takes_again_after_consuming(tmp_path: Path) -> None:
    limits = SpoolLimits(max_bytes=1_000, segment_bytes=400)
    async with opened(tmp_path, limits) as spool:
        kept, error = await append_until_full(spool, 100)
        assert error.reason is FullReason.BYTES

        assert await read_all(spool) == kept
        await spool.append(bytes(100))


async def test_leaves_the_disk_its_free_space(tmp_path: Path) -> None:
    free = 10_000
    limits = SpoolLimits(max_bytes=1_000_000, min_free_bytes=9_000)
    async with opened(tmp_path, limits, free_bytes=lambda _: free) as spool:
        await spool.append(bytes(500))
        free = 9_400
        with pytest.raises(SpoolFullError) as caught:
            await spool.append(bytes(500))
        assert caught.value.reason is FullReason.DISK
        free = 20_000
        await spool.append(b"again")
        assert [len(record) for record in await read_all(spool)] == [500, 5]


async def test_an_unforeseen_failure_is_told_and_the_next_record_is_taken(tmp_path: Path) -> None:
    failures = [MemoryError("no room")]

    def free_bytes(_: Path) -> int:
        if failures:
            raise failures.pop()
        return 10**9

    limits = SpoolLimits(max_bytes=1_000_000, min_free_bytes=1)
    async with opened(tmp_path, limits, free_bytes=free_bytes) as spool:
        with pytest.raises(SpoolFullError, match="MemoryError") as caught:
            await asyncio.wait_for(spool.append(b"first"), 5)
        assert caught.value.reason is FullReason.MEMORY
        await asyncio.wait_for(spool.append(b"second"), 5)
        assert await read_all(spool) == [b"second"]


async def test_refuses_when_too_much_waits_in_memory(tmp_path: Path) -> None:
    limits = SpoolLimits(max_bytes=1_000_000, queue_max_bytes=100)
    async with opened(tmp_path, limits) as spool:
        with pytest.raises(SpoolFullError) as caught:
            await spool.append(bytes(200))
        assert caught.value.reason is FullReason.MEMORY


async def test_wakes_a_waiting_reader(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        waiting = asyncio.create_task(spool.wait_for_records())
        await asyncio.sleep(0)
        assert not waiting.done()

        await spool.append(b"x")

        await asyncio.wait_for(waiting, 5)


async def test_a_second_process_cannot_open_it(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(BlockingIOError):
            async with opened(tmp_path):
                pass


async def test_shares_one_sync_between_appends_that_wait_together(tmp_path: Path) -> None:
    telemetry = Telemetry()
    async with opened(tmp_path, telemetry=telemetry) as spool:
        await asyncio.gather(*(spool.append(bytes(100)) for _ in range(500)))
    name = "resumatch_monitor_spool_sync_seconds_count"
    syncs = telemetry.registry.get_sample_value(name, {"signal": "errors"})
    assert syncs is not None
    assert syncs < 100


async def test_loses_nothing_acknowledged_to_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    for _ in range(3):
        child = start_appender(folder)
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(300)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split("\n")[:-1]]
        child.wait(10)
        child.stdout.close()

        async with opened(folder) as spool:
            found = [int(record.split(b" ")[0]) for record in await read_all(spool)]
        assert set(acknowledged) <= set(found)
        assert len(set(found)) == len(found)


async def test_stays_whole_on_a_full_disk(small_disk: Path) -> None:
    async with opened(small_disk / "spool") as spool:
        kept, error = await append_until_full(spool, 10_000)
        assert error.reason is FullReason.DISK
        for _ in range(5):
            with pytest.raises(SpoolFullError):
                await spool.append(bytes(10_000))
        assert all(path.stat().st_size for path in segment_files(small_disk / "spool"))
        assert await read_all(spool, 5) == kept
        await spool.drop_consumed()
        await spool.append(b"there is room again")

    async with opened(small_disk / "spool") as spool:
        assert await read_all(spool) == [b"there is room again"]


@given(cut=st.integers(min_value=0, max_value=400), garbage=st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
async def test_any_tail_leaves_a_prefix_of_the_records(cut: int, garbage: bytes) -> None:

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        payloads = [bytes([number]) * number for number in range(1, 12)]
        async with opened(folder) as spool:
            for payload in payloads:
                await spool.append(payload)
        path = segment_path(folder, 1)
        content = path.read_bytes()
        path.write_bytes(content[: max(0, len(content) - cut)] + garbage)
        cut_torn_tail(path, path.stat().st_size)

        async with opened(folder) as spool:
            found = await read_all(spool)

        assert found == payloads[: len(found)]


async def test_a_reader_may_read_ahead_and_commit_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for number in range(6):
            await spool.append(b"%d" % number)

        first = await spool.read_batch(2, 1000)
        second = await spool.read_batch(2, 1000, after=first.end)
        third = await spool.read_batch(100, 1000, after=second.end, until=second.end)
        assert (first.records, second.records) == ((b"0", b"1"), (b"2", b"3"))
        assert third.records == (b"4", b"5")
        assert spool.pending == 6
        await spool.commit(first)
        assert spool.pending == 4
        again = await spool.read_batch(100, 1000, until=second.end)
        assert again.records == (b"2", b"3")
        await spool.commit(second)
        await spool.commit(third)
        assert spool.pending == 0


async def test_a_batch_may_be_bounded_by_what_records_count(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for number in (3, 1, 1, 7):
            await spool.append(b"%d" % number)

        batch = await spool.read_batch(100, 5, weigh=int)
        rest = await spool.read_batch(100, 5, weigh=int, after=batch.end)

    assert batch.records == (b"3", b"1", b"1")
    assert rest.records == (b"7",)


async def test_a_reader_that_is_ahead_waits_for_what_comes_after(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"1")
        batch = await spool.read_batch(100, 1000)
        waiting = asyncio.ensure_future(spool.wait_for_records(after=batch.end))
        await asyncio.sleep(0)
        assert not waiting.done()
        await spool.append(b"2")
        await asyncio.wait_for(waiting, 10)


async def test_the_oldest_segment_can_be_given_up(tmp_path: Path) -> None:
    limits = SpoolLimits(max_bytes=1_000_000, segment_bytes=3 * (HEADER_BYTES + 1))
    async with opened(tmp_path, limits) as spool:
        for number in range(8):
            await spool.append(b"%d" % number)
        read = await spool.read_batch(2, 1000)

        assert await spool.drop_oldest(after=read.end) == [b"2"]
        assert spool.pending == 5
        # What was under way is not counted twice.
        await spool.commit(read)
        assert spool.pending == 5
        assert await spool.drop_oldest(after=spool.position) == [b"3", b"4", b"5"]
        # The one that is being written, too.
        assert await spool.drop_oldest(after=spool.position) == [b"6", b"7"]
        assert await spool.drop_oldest(after=spool.position) == []
        await spool.append(b"8")
        assert (spool.pending, await read_all(spool)) == (1, [b"8"])

    async with opened(tmp_path) as spool:
        assert spool.pending == 0


async def test_giving_up_and_committing_at_the_same_time_count_everything_once(
    tmp_path: Path,
) -> None:
    limits = SpoolLimits(max_bytes=1_000_000, segment_bytes=3 * (HEADER_BYTES + 2))
    async with opened(tmp_path, limits) as spool:
        for number in range(10, 70):
            await spool.append(b"%d" % number)
        read: list[bytes] = []
        dropped: list[bytes] = []
        async with asyncio.timeout(30):
            while spool.pending:
                batch = await spool.read_batch(2, 1000)
                more, _ = await asyncio.gather(
                    spool.drop_oldest(after=batch.end), spool.commit(batch)
                )
                read.extend(batch.records)
                dropped.extend(more)
        await spool.append(b"next")

        assert sorted([*read, *dropped]) == [b"%d" % number for number in range(10, 70)]
        assert (spool.pending, await read_all(spool)) == (1, [b"next"])


async def test_a_segment_that_cannot_be_given_up_stops_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append(b"1")
        path = segment_path(tmp_path, 1)
        path.unlink()

        assert await spool.drop_oldest(after=spool.position) == []
        await spool.append(b"2")

        assert spool.pending == 2
