"""A child that appends until it is killed, and prints the number of what was acknowledged."""

import asyncio
import os
import sys
from pathlib import Path

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits


async def append_for_ever(folder: Path) -> None:
    spool = Spool(
        folder,
        limits=SpoolLimits(max_bytes=1 << 30, segment_bytes=200_000),
        metrics=SpoolTelemetry(Telemetry()).for_signal("errors"),
    )
    spool.start()

    async def append(number: int) -> None:
        await spool.append(b"%d " % number + bytes(number % 4_000))
        os.write(1, b"%d\n" % number)

    for first in range(0, 1_000_000, 20):
        await asyncio.gather(*(append(first + index) for index in range(20)))


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1])))
