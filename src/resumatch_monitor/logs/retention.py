"""Gives up records that are too old, or for which there is no room."""

import asyncio
import logging
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.store import LogKeeper

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 60.0


class LogRetention:
    """Looks once a minute."""

    def __init__(
        self,
        *,
        keeper: LogKeeper,
        retention: timedelta,
        max_bytes: int,
        metrics: LogMetrics,
        clock: Clock,
    ) -> None:
        self._keeper = keeper
        self._retention = retention
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def look(self) -> None:
        """Drop what is to go, and tell how much room the rest takes."""
        expired = await self._keeper.expire(self._clock.now() - self._retention)
        crowded_out = await self._keeper.fit(self._max_bytes)
        self._metrics.dropped.labels("expired").inc(expired)
        self._metrics.dropped.labels("over_budget").inc(crowded_out)
        if crowded_out:
            logger.warning(
                "%d log records were given up early: logs take more than logs.max_bytes",
                crowded_out,
            )
        self._metrics.unsearchable.set(self._keeper.unsearchable())
        self._metrics.bytes.set(await asyncio.to_thread(self._keeper.size_bytes))
