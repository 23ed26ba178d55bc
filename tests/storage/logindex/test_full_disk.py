"""A full disk: nothing is said to be kept that is not, and there is a way on."""

import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.logs.store import LogsUnavailableError
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import read_bodies, recent
from tests.support.logs import place

pytestmark = pytest.mark.anyio

_BALLAST_BYTES = 1_500_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def open_on(disk: Path, partition_rows: int = 1_000_000) -> TantivyLogStore:
    store = TantivyLogStore(
        disk / "logs", clock=SystemClock(), min_free_bytes=0, partition_rows=partition_rows
    )
    store.open()
    return store


@pytest.mark.parametrize("partition_rows", [1_000_000, 100])
async def test_loses_nothing_to_a_full_disk(small_disk: Path, partition_rows: int) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(_BALLAST_BYTES))
    store = open_on(small_disk, partition_rows=partition_rows)
    kept: list[str] = []
    failures = 0
    batch = 0
    while failures < 3:
        bodies = [f"{batch:04d} {index:02d} " + "é" * 200 for index in range(60)]
        records = [recent(body, attributes={f"n{batch}": body[:40]}) for body in bodies]
        try:
            await store.append(records, until=place(batch + 1))
        except LogsUnavailableError:
            failures += 1
        else:
            kept += bodies
            batch += 1
    assert await read_bodies(store) == kept

    # What waits in the spool comes again once there is room.
    ballast.unlink()
    await store.append([recent("room")], until=place(batch + 1))
    assert await read_bodies(store) == [*kept, "room"]
    store.close()
    store = open_on(small_disk)
    assert await read_bodies(store) == [*kept, "room"]
    assert store.position() == place(batch + 1)
    store.close()


async def test_stores_nothing_while_too_little_is_free(
    open_store: Callable[..., TantivyLogStore],
) -> None:
    free = [10_000_000]

    def read_free(_folder: Path) -> int:
        return free[0]

    store = open_store(min_free_bytes=1_000_000, free_bytes=read_free)
    await store.append([recent("before")], until=place(1))

    free[0] = 999_999
    with pytest.raises(LogsUnavailableError, match="min_free_bytes"):
        await store.append([recent("refused")], until=place(2))
    free[0] = 10_000_000
    await store.append([recent("after")], until=place(2))

    assert await read_bodies(store) == ["after", "before"]
