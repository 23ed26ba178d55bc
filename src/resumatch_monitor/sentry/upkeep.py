"""The loop that forgets what the door need not remember any longer."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 3600.0
_PAUSE_SECONDS = 0.2
_ROUNDS_MAX = 10_000


class Expiring(Protocol):
    """Holds what is of use only for a time."""

    async def expire(self, now: datetime) -> int:
        """Delete some of what is out of time; return how many rows that were, 0 when done.

        Raises:
            StorageUnavailableError: If nothing can be written at the moment.
        """
        ...


class IntakeUpkeep:
    """Deletes in small bites, so that nobody waits long for the database's one writer."""

    def __init__(self, stores: Sequence[Expiring], *, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    async def run(self) -> None:
        """Delete now and then every hour, until cancelled."""
        while True:
            try:
                await self.expire()
            except StorageUnavailableError as error:
                logger.warning("What the door remembers is deleted later: %s", error)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def expire(self) -> None:
        """Delete everything that is out of time."""
        for store in self._stores:
            for _ in range(_ROUNDS_MAX):
                if not await store.expire(self._clock.now()):
                    break
                await self._clock.sleep(_PAUSE_SECONDS)
