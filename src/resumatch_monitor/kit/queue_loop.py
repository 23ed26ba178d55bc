"""Works a queue off whenever somebody says that there is something in it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError

logger = logging.getLogger(__name__)


class QueueLoop:
    """Asks for batch after batch until there is none, then waits to be woken."""

    def __init__(
        self, work: Callable[[], Awaitable[int]], *, what: str, retry_seconds: float, clock: Clock
    ) -> None:
        """Build it.

        Args:
            work: Does one batch; returns how much that was.
            what: What waits while a store cannot write, for the log.
            retry_seconds: How long it waits then.
            clock: What it waits by.
        """
        self._work = work
        self._what = what
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be something in the queue."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled, beginning with what an earlier process left."""
        while True:
            self._woken.clear()
            try:
                while await self._work():
                    pass
            except StorageUnavailableError as error:
                logger.warning("%s wait: %s", self._what, error)
                await self._clock.sleep(self._retry_seconds)
            else:
                await self._woken.wait()
