"""A child that merges two issues and undoes it until it is killed: `merger.py DATABASE`."""

import asyncio
import os
import sys
from pathlib import Path

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.regrouping import SqlIssueRegrouper


async def merge_for_ever(path: Path) -> None:
    database = Database(path)
    database.start()
    regrouper, clock = SqlIssueRegrouper(database), SystemClock()
    while True:
        merged = await regrouper.merge(1, [2, 3], actor="alice", at=clock.now())
        os.write(1, b"merged\n")
        await regrouper.undo(merged.merge_id, actor="alice", at=clock.now())
        os.write(1, b"undone\n")


if __name__ == "__main__":
    asyncio.run(merge_for_ever(Path(sys.argv[1])))
