from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.app.diskwatch import DiskWatch
from resumatch_monitor.app.holding import HoldingQuerier
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import ExecutionError
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


class Sink:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    async def put(self, alerts: Sequence[Alert]) -> None:
        self.alerts.extend(alerts)


class Disk:
    """Has as much room as a test says."""

    def __init__(self) -> None:
        self.free = 1024 * MIB

    def __call__(self, _: Path) -> int:
        return self.free


def build(disk: Disk, sink: Sink, clock: FakeClock) -> DiskWatch:
    async def find_nothing(_: str) -> datetime | None:
        return None

    return DiskWatch(
        folder=Path(),
        min_free_bytes=256 * MIB,
        alerts=sink,
        find_firing_since=find_nothing,
        clock=clock,
        free_bytes=disk,
    )


async def test_people_hear_of_it_before_ingest_stops_and_when_there_is_room_again(
    clock: FakeClock,
) -> None:
    disk, sink = Disk(), Sink()
    watch = build(disk, sink, clock)

    since = await watch.look(None)
    assert sink.alerts == []
    for free in (380, 300, 10, 400, 470):
        disk.free = free * MIB
        since = await watch.look(since)
    (firing,) = sink.alerts
    assert since == firing.starts_at
    disk.free = 500 * MIB
    assert await watch.look(since) is None

    assert firing.status is AlertStatus.FIRING
    assert firing.severity == "critical"
    assert "380 MiB" in firing.annotations["summary"]
    assert sink.alerts[1].status is AlertStatus.RESOLVED
    assert sink.alerts[1].fingerprint == firing.fingerprint


async def test_rules_wait_while_samples_are_refused_and_a_while_longer(
    telemetry: Telemetry, clock: FakeClock
) -> None:
    runner = QueryRunner(MemoryStore(), clock=clock, telemetry=telemetry)
    ago: timedelta | None = None
    querier = HoldingQuerier(runner, refused_ago=lambda: ago)

    assert await querier.instant("1", clock.now())
    ago = timedelta(seconds=20)
    with pytest.raises(ExecutionError, match="stay as they are"):
        await querier.instant("1", clock.now())
    ago = timedelta(seconds=90)
    assert await querier.instant("1", clock.now())
    runner.stop()
