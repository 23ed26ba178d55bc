"""The loop that deletes what is older than the configuration keeps."""

import logging
from datetime import timedelta

from resumatch_monitor.errortracking.store import IssueStore, StoreUnavailableError
from resumatch_monitor.kit.clock import Clock

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 3600.0
_PAUSE_SECONDS = 0.2
_ROUNDS_MAX = 10_000


class ErrorRetention:
    """Deletes in small bites, so that nobody waits long for the database's one writer."""

    def __init__(self, *, store: IssueStore, retention: timedelta, clock: Clock) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock

    async def run(self) -> None:
        """Delete now and then every hour, until cancelled."""
        while True:
            try:
                await self.expire()
            except StoreUnavailableError as error:
                logger.warning("Old events are deleted later: %s", error)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def expire(self) -> int:
        """Delete everything that is too old; return how many rows that were."""
        now = self._clock.now()
        before = now - self._retention
        total = 0
        for _ in range(_ROUNDS_MAX):
            deleted = await self._store.expire(before, now=now)
            total += deleted
            if not deleted:
                break
            await self._clock.sleep(_PAUSE_SECONDS)
        return total
