"""Drops figures that are too old."""

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.tracing.performance.store import PerformanceStore

_EVERY_SECONDS = 600.0
_PAUSE_SECONDS = 0.2
_BATCHES_MAX = 200


class PerformanceRetention:
    """Drops in small batches, so that nobody waits long for the database."""

    def __init__(self, *, store: PerformanceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Drop until cancelled."""
        while True:
            for _ in range(_BATCHES_MAX):
                if not await self._store.expire(self._clock.now()):
                    break
                await self._clock.sleep(_PAUSE_SECONDS)
            await self._clock.sleep(_EVERY_SECONDS)
