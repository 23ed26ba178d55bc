"""What is too old or too much is given up, and what cannot be searched is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.retention import LogRetention
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import make_record, place

pytestmark = pytest.mark.anyio


async def test_gives_up_by_age_and_by_room_and_tells_what_is_damaged(tmp_path: Path) -> None:
    damaged = tmp_path / "00000001"
    damaged.mkdir()
    (damaged / "records").write_bytes(b"nothing of ours")
    clock, telemetry = FakeClock(), Telemetry()
    store = TantivyLogStore(tmp_path, clock=clock, min_free_bytes=0, partition_rows=2)
    store.open()
    for number in range(4):
        records = [make_record(f"{number}{index}") for index in range(2)]
        await store.append(records, until=place(number + 1))

    def retention(days: int, max_bytes: int) -> LogRetention:
        return LogRetention(
            keeper=store,
            retention=timedelta(days=days),
            max_bytes=max_bytes,
            metrics=metrics,
            clock=clock,
        )

    def value(name: str, **labels: str) -> float | None:
        return telemetry.registry.get_sample_value(f"resumatch_monitor_logs_{name}", labels)

    metrics = LogMetrics(telemetry)
    await retention(1, 1 << 30).look()
    assert value("unsearchable_partitions") == 1
    assert value("bytes") == store.size_bytes() > 0

    await retention(1, store.size_bytes() - 1).look()
    assert value("dropped_total", reason="over_budget") == 2
    assert value("dropped_total", reason="expired") == 0

    clock.jump(timedelta(days=2))
    await retention(1, 1 << 30).look()
    assert value("dropped_total", reason="expired") == 6
    assert value("bytes") == 0
    store.close()
    assert (damaged / "records").read_bytes() == b"nothing of ours"
