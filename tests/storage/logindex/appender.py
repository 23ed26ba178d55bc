"""A child that stores records until it is killed, and prints how many it has been told are kept."""

import asyncio
import os
import sys
from pathlib import Path

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import recent
from tests.support.logs import place

BATCH = 25
PARTITION_ROWS = 100


async def append_for_ever(folder: Path) -> None:
    """Go on where the store says that the spool's reader is."""
    store = TantivyLogStore(
        folder, clock=SystemClock(), min_free_bytes=0, partition_rows=PARTITION_ROWS
    )
    store.open()
    position = store.position()
    number = 0 if position is None else position.offset
    while True:
        records = [
            recent(f"number {number + index}", attributes={"n": number}) for index in range(BATCH)
        ]
        number += BATCH
        await store.append(records, until=place(number))
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1])))
