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
        writer = GivingUpSpool(spool)
        for number in range(200):
            await writer.append(f"{number:0500}".encode())

        batch = await spool.read_batch(1, 1_000_000)
        assert spool.size_bytes <= 10_000
        assert 15 <= spool.pending <= 20
        assert int(batch.records[0]) == 200 - spool.pending
        with pytest.raises(SpoolFullError):
            await writer.append(bytes(20_000))
    finally:
        spool.stop()
