"""Crashes, torn and damaged files, full disks."""

import asyncio
import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import RowLayout, StoreFullError
from resumatch_monitor.storage.tsdb.disk import AppendFile, LocalDisk
from resumatch_monitor.storage.tsdb.records import MAGIC, read_records
from tests.storage.tsdb.support import (
    NOW_MS,
    Contents,
    arrays,
    bits_of,
    open_store,
    read_all,
    series,
)

pytestmark = pytest.mark.anyio

A, B = series("a", job="x"), series("b", job="x")


async def fill(folder: Path, rows: int, *, seal_at: int | None = None) -> Contents:
    store = open_store(folder)
    layout = RowLayout([A, B])
    for step in range(rows):
        await store.append_row("x", layout, NOW_MS + step, np.array([step * 1.5, -step * 0.1]))
    if seal_at is not None:
        store.seal(NOW_MS + seal_at)
    contents = read_all(store)
    store.close()
    return contents


async def test_a_torn_last_record_is_ignored_wherever_it_is_torn(tmp_path: Path) -> None:
    before = await fill(tmp_path / "short", 3)
    everything = await fill(tmp_path / "long", 4)
    (segment,) = (tmp_path / "long" / "wal").iterdir()
    data = segment.read_bytes()
    ends = [len(MAGIC), *(end for end, _, _ in read_records(data))]
    assert ends[-1] == len(data)

    for size in range(ends[-2], len(data) + 1):
        segment.write_bytes(data[:size])
        store = open_store(tmp_path / "long")
        assert read_all(store) == (everything if size == len(data) else before)
        store.close()


async def test_appends_go_on_after_a_torn_record(tmp_path: Path) -> None:
    expected = await fill(tmp_path, 4)
    (segment,) = (tmp_path / "wal").iterdir()
    segment.write_bytes(segment.read_bytes() + b"\x40\0\0\0half a record")
    store = open_store(tmp_path)
    await store.append_samples([(A, *arrays({NOW_MS + 90: 7.0}))])
    store.close()

    expected[A][NOW_MS + 90] = bits_of(7.0)
    for _ in range(2):
        store = open_store(tmp_path)
        assert read_all(store) == expected
        store.close()


async def test_damage_inside_a_segment_costs_only_what_follows_in_it(
    tmp_path: Path, telemetry: Telemetry
) -> None:
    expected = await fill(tmp_path, 6)
    (segment,) = (tmp_path / "wal").iterdir()
    data = bytearray(segment.read_bytes())
    ends = [end for end, _, _ in read_records(bytes(data))]
    data[ends[-3] - 2] ^= 0x10
    segment.write_bytes(data)
    store = open_store(tmp_path)
    await store.append_row("x", RowLayout([A]), NOW_MS + 99, np.array([1.0]))
    store.close()

    store = open_store(tmp_path, telemetry=telemetry)
    found = read_all(store)
    assert set(found[B].items()) < set(expected[B].items())
    assert len(found[B]) == 3
    assert found[A][NOW_MS + 99] == bits_of(1.0)
    assert corruptions(telemetry, "wal") == 1
    store.close()


def corruptions(telemetry: Telemetry, kind: str) -> float:
    name = "resumatch_monitor_tsdb_corruptions_total"
    return telemetry.registry.get_sample_value(name, {"kind": kind}) or 0.0


@pytest.mark.parametrize("name", ["meta.json", "index", "data"])
async def test_a_flipped_bit_in_a_block_never_becomes_a_wrong_sample(
    tmp_path: Path, name: str
) -> None:
    expected = await fill(tmp_path / "good", 900, seal_at=900)
    other = series("other")
    store = open_store(tmp_path / "good")
    await store.append_samples([(other, *arrays({NOW_MS + 5: 1.0}))])
    store.seal(NOW_MS + 900)
    store.close()
    path = tmp_path / "good" / "blocks" / f"{1:010d}" / name
    data = path.read_bytes()
    rng = random.Random(7)
    places = {0, 1, len(data) - 1, *(rng.randrange(len(data)) for _ in range(5))}

    for place in sorted(places):
        shutil.copytree(tmp_path / "good", tmp_path / "bad")
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        (tmp_path / "bad" / path.relative_to(tmp_path / "good")).write_bytes(damaged)
        telemetry = Telemetry()
        store = open_store(tmp_path / "bad", telemetry=telemetry)
        found = read_all(store)
        assert found.pop(other) == {NOW_MS + 5: bits_of(1.0)}
        for labels, samples in found.items():
            assert samples.items() <= expected[labels].items()
        if found != expected:
            assert corruptions(telemetry, "block") + corruptions(telemetry, "chunk") > 0
        await store.append_row("x", RowLayout([A, B]), NOW_MS + 9999, np.array([1.0, 2.0]))
        store.close()
        open_store(tmp_path / "bad").close()
        shutil.rmtree(tmp_path / "bad")


async def test_a_truncated_block_is_set_aside_and_the_log_used_if_it_is_there(
    tmp_path: Path, telemetry: Telemetry
) -> None:
    expected = await fill(tmp_path, 50)
    shutil.copytree(tmp_path / "wal", tmp_path / "saved")
    store = open_store(tmp_path)
    store.seal(NOW_MS + 50)
    store.close()
    # As if the machine had stopped after the block was renamed and before the log was cut.
    for path in (tmp_path / "saved").iterdir():
        shutil.copy(path, tmp_path / "wal" / path.name)
    data = tmp_path / "blocks" / f"{1:010d}" / "data"

    store = open_store(tmp_path)
    assert read_all(store) == expected
    store.close()
    data.write_bytes(data.read_bytes()[:-5])
    store = open_store(tmp_path, telemetry=telemetry)
    assert read_all(store) == expected
    assert corruptions(telemetry, "block") == 1
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == [f"{1:010d}"]
    store.seal(NOW_MS + 50)
    assert read_all(store) == expected
    store.close()


CHILD = """
import asyncio, itertools, sys
from datetime import timedelta
from pathlib import Path
import numpy as np
from resumatch_monitor.kit.clock import SystemClock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.storage.tsdb.support import series

async def main():
    store = TimeSeriesStore(Path(sys.argv[1]), clock=SystemClock(), telemetry=Telemetry(),
                            retention=timedelta(days=9999), segment_bytes=20_000,
                            seal_window=timedelta(milliseconds=64))
    store.open()
    base = int(sys.argv[2])

    async def rows():
        for step in itertools.count():
            at = base + step
            layout = layouts[step // 50 % 2]
            await store.append_row("x", layout, at, np.full(len(layout.labels), float(at)))
            print("row", at, len(layout.labels), flush=True)

    async def samples():
        for step in itertools.count():
            at = base - 500_000 - (step * 7919) % 100_000
            one = (series("p"), np.array([at]), np.array([float(at)]))
            await store.append_samples([one])
            print("sample", at, 0, flush=True)

    async def seals():
        for step in itertools.count():
            await asyncio.sleep(0.05)
            await asyncio.to_thread(store.seal, base + step * 20)
            await asyncio.to_thread(store.compact)

    layouts = [RowLayout([series("m", id=str(n)) for n in range(40 + k)]) for k in range(2)]
    await asyncio.gather(rows(), samples(), seals())

asyncio.run(main())
"""


def test_a_process_killed_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(11)
    acknowledged: dict[str, set[int]] = {"row": set(), "sample": set()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    for number in range(3):
        base = NOW_MS + number * 10_000_000
        lines_wanted = rng.randrange(150, 400)
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(base)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(lines_wanted)]
            child.kill()
            lines.extend(child.stdout.read().splitlines(keepends=True))
        for line in lines:
            if line.endswith("\n"):
                kind, at, _ = line.split()
                acknowledged[kind].add(int(at))

    store = open_store(tmp_path)
    found = read_all(store)
    store.close()
    for labels, kind in ((series("m", id="7"), "row"), (series("p"), "sample")):
        assert len(acknowledged[kind]) > 50
        assert acknowledged[kind] <= set(found[labels])
        assert all(bits == bits_of(float(at)) for at, bits in found[labels].items())
    assert any((tmp_path / "blocks").iterdir()), "seals took part"


class FailingDisk(LocalDisk):
    """Fails as told: `room` bytes can still be written, and syncs work or not."""

    def __init__(self) -> None:
        self.room = 1 << 40
        self.is_broken = False

    def create(self, path: Path) -> AppendFile:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return FailingFile(super().create(path), self)


class FailingFile:
    """A file on a `FailingDisk`; a write that does not fit is written in part, as on a real one."""

    def __init__(self, file: AppendFile, disk: FailingDisk) -> None:
        self._file = file
        self._disk = disk

    def write(self, data: bytes) -> None:
        fitting = data[: max(0, self._disk.room)]
        self._disk.room -= len(data)
        self._file.write(fitting)
        if len(fitting) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        if self._disk.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._file.sync()

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize("failure", ["full", "sync"])
async def test_a_disk_that_fails_refuses_and_recovers(tmp_path: Path, failure: str) -> None:
    disk = FailingDisk()
    store = open_store(tmp_path, disk=disk)
    layout = RowLayout([A, B])
    model: Contents = {A: {}, B: {}}
    refused = 0
    for step in range(60):
        if step % 20 == 10:
            disk.room, disk.is_broken = (100, False) if failure == "full" else (1 << 40, True)
        if step % 20 == 0:
            disk.room, disk.is_broken = 1 << 40, False
        row = np.array([float(step), step / 3])
        try:
            await store.append_row("x", layout, NOW_MS + step, row)
        except StoreFullError as error:
            assert "cannot be written" in str(error)  # noqa: PT017
            refused += 1
        else:
            for labels, value in zip((A, B), row.tolist(), strict=True):
                model[labels][NOW_MS + step] = bits_of(value)
    assert refused
    assert len(model[A]) + refused == 60
    assert read_all(store) == model
    store.close()

    store = open_store(tmp_path)
    assert read_all(store) == model
    store.close()


async def test_many_writers_share_a_sync(tmp_path: Path, telemetry: Telemetry) -> None:
    store = open_store(tmp_path, telemetry=telemetry)
    layouts = {number: RowLayout([series("m", id=str(number))]) for number in range(100)}
    await asyncio.gather(
        *(
            store.append_row(str(number), layout, NOW_MS, np.array([1.0]))
            for number, layout in layouts.items()
        )
    )

    name = "resumatch_monitor_tsdb_wal_fsync_duration_seconds_count"
    assert (telemetry.registry.get_sample_value(name) or 0) < 20
    assert len(read_all(store)) == 100
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_file_system_that_is_really_full(small_disk: Path) -> None:
    store = open_store(small_disk)
    rng = np.random.default_rng(3)
    layout = RowLayout([series("m", id=str(number)) for number in range(500)])
    expected: dict[int, int] = {}
    refused = 0
    for step in range(100):
        row = rng.normal(size=500)
        try:
            await store.append_row("x", layout, NOW_MS + step, row)
        except StoreFullError:
            refused += 1
        else:
            expected[NOW_MS + step] = bits_of(float(row[0]))
    assert refused
    with pytest.raises(OSError, match="space"):
        store.seal(NOW_MS + 1000)
    assert not list((small_disk / "blocks").iterdir()), "nothing half-written is left"
    assert read_all(store)[layout.labels[0]] == expected
    store.close()

    store = open_store(small_disk)
    assert read_all(store)[layout.labels[0]] == expected
    store.close()
