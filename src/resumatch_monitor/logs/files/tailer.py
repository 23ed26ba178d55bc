"""The loop that brings what followed files gain into the spool."""

import asyncio
import logging
from collections.abc import Sequence

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.files.followed import FileBatch
from resumatch_monitor.logs.files.following import Follower
from resumatch_monitor.logs.formats.lines import LINES
from resumatch_monitor.logs.receiver import LogReceiver

logger = logging.getLogger(__name__)

_PACE_SECONDS = 0.2
_PAUSE_SECONDS = 1.0


class Tailer:
    """Follows files; while the spool is full it reads nothing more, and nothing is lost."""

    def __init__(self, *, follower: Follower, receiver: LogReceiver, clock: Clock) -> None:
        self._follower = follower
        self._receiver = receiver
        self._clock = clock

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            while True:
                try:
                    await self.turn()
                except OSError as error:
                    logger.warning("Logs cannot be followed at the moment: %s", error)
                    await self._clock.sleep(_PAUSE_SECONDS)
                if not self._follower.has_more:
                    await self._clock.sleep(_PACE_SECONDS)
        finally:
            self._follower.close()

    async def turn(self) -> None:
        """Bring what is new into the spool, some megabytes at most.

        Raises:
            OSError: If it cannot be kept how far files were read; nothing was.
        """
        batches = await asyncio.to_thread(self._follower.turn, self._clock.monotonic())
        await self._deliver(batches)

    async def _deliver(self, batches: Sequence[FileBatch]) -> None:
        async with asyncio.TaskGroup() as group:
            for batch in batches:
                group.create_task(self._take(batch))

    async def _take(self, batch: FileBatch) -> None:
        hints = {**batch.file.pattern.hints, "path": batch.file.position.path}
        while batch.lines:
            try:
                await self._receiver.take(batch.lines, format_name=LINES, hints=hints)
            except SpoolFullError:
                # Of many lines the first may have been kept: their names tell.
                await self._clock.sleep(_PAUSE_SECONDS)
            else:
                break
        batch.file.advance(batch.until)
