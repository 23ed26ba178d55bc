"""Reads and prepares batches while those before them are stored."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from resumatch_monitor.errortracking.batch import Prepared
from resumatch_monitor.kit.spool import Position, SpoolBatch

# With the one that is stored, the one that is prepared and the one that is read, four are in
# memory: enough that nobody waits for anybody, and no more.
_READY_MAX = 1


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch of the spool and what it holds."""

    batch: SpoolBatch
    prepared: Prepared


class Ahead:
    """What comes next, in order, as long as batches are large; then it ends."""

    def __init__(
        self,
        *,
        after: Position,
        read: Callable[[Position], Awaitable[SpoolBatch]],
        prepare: Callable[[SpoolBatch], Awaitable[Ready]],
        is_large: Callable[[SpoolBatch], bool],
    ) -> None:
        """Begin.

        Args:
            after: Where to begin to read.
            read: Returns the batch after a place.
            prepare: Returns it prepared.
            is_large: Tells whether there probably is more after a batch.
        """
        self._read = read
        self._prepare = prepare
        self._is_large = is_large
        self._ready: asyncio.Queue[Ready | None] = asyncio.Queue(_READY_MAX)
        self._task = asyncio.create_task(self._run(after))

    async def next(self) -> Ready | None:
        """Return the next batch; None when this has ended.

        Raises:
            Exception: What reading or preparing raised.
        """
        getting = asyncio.ensure_future(self._ready.get())
        try:
            await asyncio.wait([getting, self._task], return_when=asyncio.FIRST_COMPLETED)
            if not getting.done() and self._ready.empty():
                # It ended by an error: it would have said so otherwise.
                self._task.result()
            return await getting
        finally:
            getting.cancel()

    async def stop(self) -> None:
        """Give up what was prepared."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, after: Position) -> None:
        reading = asyncio.ensure_future(self._read(after))
        try:
            while True:
                batch = await reading
                if not batch.count:
                    break
                is_large = self._is_large(batch)
                if is_large:
                    reading = asyncio.ensure_future(self._read(batch.end))
                await self._ready.put(await self._prepare(batch))
                if not is_large:
                    break
            await self._ready.put(None)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
