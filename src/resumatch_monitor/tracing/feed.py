"""Shows every segment to who counts them, once it had the time to become whole."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.tracing.metrics import TracingMetrics
from resumatch_monitor.tracing.model import SegmentObserver
from resumatch_monitor.tracing.store import SegmentQueue

logger = logging.getLogger(__name__)

_BATCH = 200
_PAUSE_SECONDS = 1.0
_PAUSE_AFTER_FAILURE_SECONDS = 10.0


class SegmentFeed:
    """Takes what settled from the store, shows it to the observers, and then notes that it did."""

    def __init__(
        self,
        *,
        queue: SegmentQueue,
        observers: Sequence[SegmentObserver],
        settle: timedelta,
        metrics: TracingMetrics,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._observers = observers
        self._settle = settle
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Feed until cancelled."""
        while True:
            try:
                count = await self.feed_batch()
            except StorageUnavailableError as error:
                logger.warning("Segments wait to be counted: %s", error)
                await self._clock.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
                continue
            if count < _BATCH:
                await self._clock.sleep(_PAUSE_SECONDS)

    async def feed_batch(self) -> int:
        """Show one batch; return how many segments it had.

        Raises:
            StorageUnavailableError: If an observer or the store could not write.
        """
        before = self._clock.now() - self._settle
        settled = await self._queue.take_settled(before=before, limit=_BATCH)
        segments = [each.segment for each in settled if each.segment is not None]
        if segments:
            for observer in self._observers:
                await observer.observe(segments)
        if settled:
            await self._queue.mark_observed(settled)
            self._metrics.segments_observed.inc(len(segments))
        return len(settled)
