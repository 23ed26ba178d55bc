"""A child that writes rows to a store whose server is away, until it is killed.

It prints the number of each row that was acknowledged.
"""

import asyncio
import os
import sys
from pathlib import Path

from tests.storage.remote.support import append_rows, make_layout, remote_store


async def append_for_ever(folder: Path, url: str) -> None:
    layout = make_layout(5)
    async with remote_store(folder, url) as remote:
        for number in range(1_000_000):
            await append_rows(remote.store, layout, range(number, number + 1))
            os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1]), sys.argv[2]))
