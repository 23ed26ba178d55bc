import asyncio
from pathlib import Path

import pytest

from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.spool.giving_up import GivingUpSpool
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits

pytestmark = pytest.mark.anyio

_LIMITS = SpoolLimits(max_bytes=10_000, segment_bytes=2_000)


async def test_the_latest_are_kept_however_many_come(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=_LIMITS, metrics=SpoolTelemetry(Telemetry()).for_signal("logs"))
    spool.start()
    try:
        given_up: list[int] = []
        writer = GivingUpSpool(spool, on_given_up=given_up.append)
        for number in range(200):
            await writer.append(f"{number:0500}".encode())

        batch = await spool.read_batch(1, 1_000_000)
        assert spool.size_bytes <= 10_000
        assert 15 <= spool.pending <= 20
        assert int(batch.records[0]) == 200 - spool.pending
        assert sum(given_up) == 200 - spool.pending
        with pytest.raises(SpoolFullError):
            await writer.append(bytes(20_000))
    finally:
        spool.stop()


async def test_many_that_find_no_room_at_once_give_up_no_more_than_they_need(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, limits=_LIMITS, metrics=SpoolTelemetry(Telemetry()).for_signal("logs"))
    spool.start()
    try:
        writer = GivingUpSpool(spool, on_given_up=lambda count: None)
        for number in range(18):
            await writer.append(f"{number:0500}".encode())

        await asyncio.gather(*(writer.append(bytes(500)) for _ in range(6)))

        assert spool.pending >= 15
    finally:
        spool.stop()
