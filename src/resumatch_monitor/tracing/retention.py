"""The loop that keeps traces within their age and their room."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.tracing.beside import TraceErrorKeeper
from resumatch_monitor.tracing.metrics import TracingMetrics

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was done to make room: parts thinned, parts given up."""

    thinned: int = 0
    dropped: int = 0


class TraceKeeper(Protocol):
    """Gives up traces, a file at a time."""

    async def expire(self, before: datetime) -> int:
        """Give up the files that nothing was written to since; return how many."""
        ...

    async def fit(self, max_bytes: int) -> Fitted:
        """Make what is kept fit into `max_bytes`, as far as it is not being written to.

        Of the oldest files only the valuable traces are kept: those with an error, the slowest of
        each name, and a tenth of the others. Where that is done, the oldest files go.
        """
        ...

    def size_bytes(self) -> int:
        """Return how much of the disk traces take."""
        ...


class TraceRetention:
    """Looks every minute."""

    def __init__(
        self,
        *,
        keeper: TraceKeeper,
        retention: timedelta,
        max_bytes: int,
        metrics: TracingMetrics,
        clock: Clock,
        errors: TraceErrorKeeper | None = None,
    ) -> None:
        self._keeper = keeper
        self._errors = errors
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
        """Look once."""
        before = self._clock.now() - self._retention
        expired = await self._keeper.expire(before)
        if self._errors is not None:
            await self._errors.forget(before)
        fitted = await self._keeper.fit(self._max_bytes)
        parts = self._metrics.dropped_parts
        parts.labels("expired").inc(expired)
        parts.labels("thinned").inc(fitted.thinned)
        parts.labels("over_budget").inc(fitted.dropped)
        if fitted.dropped:
            logger.warning(
                "Traces do not fit into tracing.max_bytes: the oldest were given up before they"
                " reached tracing.retention"
            )
        self._metrics.bytes.set(self._keeper.size_bytes())
