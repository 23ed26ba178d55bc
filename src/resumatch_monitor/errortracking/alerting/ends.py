"""The loop that ends alerts about issues when there is no more reason for them."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 15.0


class AlertEnds(Protocol):
    """Knows which alerts about issues last."""

    async def end_quiet(self, now: datetime) -> int:
        """End alerts for which there is no more reason; return how many."""
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
        await self._ends.end_quiet(now)
        await self._ends.prune(now)
        self._wake()
