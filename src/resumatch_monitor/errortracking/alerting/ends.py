"""The loop that ends alerts about issues when there is no more reason for them."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 15.0
_AWAY = timedelta(minutes=1)
"""After so long without a look nobody knows whether it was quiet meanwhile."""


class AlertEnds(Protocol):
    """Knows which alerts about issues last."""

    async def end_quiet(self, now: datetime, *, watched: timedelta) -> int:
        """End alerts for which there is no more reason; return how many.

        Args:
            now: At this moment.
            watched: For how long it is known when events came: no quiet is longer.
        """
        ...

    async def prune(self, now: datetime) -> None:
        """Forget counts that no window reaches, and alerts whose pause is over."""
        ...


class AlertTimer:
    """Looks again and again whether alerts are over."""

    def __init__(self, *, ends: AlertEnds, wake: Callable[[], None], clock: Clock) -> None:
        """Build the loop; `wake` makes the relay look for what to tell."""
        self._ends = ends
        self._wake = wake
        self._clock = clock
        self._looked_at: datetime | None = None
        self._watching_since = clock.now()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StorageUnavailableError as error:
                logger.warning("Alerts about issues that are over wait: %s", error)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def look(self) -> None:
        """End what is over; what people ended, and storms, are the relay's to find."""
        now = self._clock.now()
        passed = None if self._looked_at is None else now - self._looked_at
        if passed is None or not timedelta() <= passed <= _AWAY:
            # It has just started, slept, had no store or another time: what was sent meanwhile
            # may have reached nobody, or still lie in the spool.
            self._watching_since = now
        await self._ends.end_quiet(now, watched=now - self._watching_since)
        await self._ends.prune(now)
        self._looked_at = self._clock.now()
        self._wake()
