"""Deletes old alerts and notifications, a little at a time."""

import logging
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.kit.clock import Clock

logger = logging.getLogger(__name__)

_BATCH = 500
_MOST_BATCHES = 200
_INTERVAL_SECONDS = 3600.0
_OBSERVE_SECONDS = 15.0


class Prunable(Protocol):
    """Something that can forget what is old."""

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` things that ended before then; return how many."""
        ...


class Retention:
    """Keeps the tables of dispatch at their size, and the outbox' gauge up to date."""

    def __init__(
        self, *, prunables: list[Prunable], outbox: Outbox, keep: timedelta, clock: Clock
    ) -> None:
        self._prunables = prunables
        self._outbox = outbox
        self._keep = keep
        self._clock = clock

    async def run(self) -> None:
        """Prune every hour, for ever."""
        while True:
            await self.prune()
            pruned = self._clock.monotonic()
            while self._clock.monotonic() - pruned < _INTERVAL_SECONDS:
                await self._outbox.observe()
                await self._clock.sleep(_OBSERVE_SECONDS)

    async def prune(self) -> None:
        """Delete what is older than is kept; the rest of a long list follows the next time."""
        before = self._clock.now() - self._keep
        for prunable in self._prunables:
            for _ in range(_MOST_BATCHES):
                if await prunable.prune(before, limit=_BATCH) < _BATCH:
                    break
