"""A child that digests a spool until it is killed: `digester.py FOLDER`."""

import asyncio
import os
import sys
from pathlib import Path

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.sql.database import Database
from tests.support.errors import build_stack


async def digest_for_ever(folder: Path) -> None:
    database = Database(folder / "monitor.sqlite3")
    database.start()
    async with build_stack(folder / "spool", database=database, clock=SystemClock()) as stack:
        os.write(1, b"started\n")
        while True:
            await stack.spool.wait_for_records()
            await stack.digest.digest_batch()
            os.write(1, b"batch\n")


if __name__ == "__main__":
    asyncio.run(digest_for_ever(Path(sys.argv[1])))
