"""Crash-free rates as series in the metric store, so that ordinary rules can alert on them."""

import logging
from collections.abc import Callable
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.collected import Collected
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.receiver import store_batch
from resumatch_monitor.metrics.samples import BatchSink, StoreFullError
from resumatch_monitor.releases.health import HealthReader

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
_WINDOW = timedelta(hours=24)
_SERIES_MAX = 1_000
_RATIO = "release_crash_free_sessions_ratio"
_SESSIONS = "release_sessions"
_METADATA = {
    _RATIO: Metadata("gauge", "The share of sessions in 24 hours that did not crash.", ""),
    _SESSIONS: Metadata("gauge", "How many sessions there were in 24 hours.", ""),
}


class CrashFreeSeries:
    """Writes the rates of the releases that are used most, every minute."""

    def __init__(
        self,
        *,
        reader: HealthReader,
        sink: BatchSink,
        metadata: MetadataStore,
        slug_of: Callable[[int], str],
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._metadata = metadata
        self._slug_of = slug_of
        self._clock = clock

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._clock.sleep(_EVERY_SECONDS)
            try:
                await self.write()
            except StoreFullError as error:
                logger.warning("Series of releases are not stored: %s", error)

    async def write(self) -> None:
        """Write the rates as they are.

        Raises:
            StoreFullError: If the store refuses them.
        """
        now = self._clock.now()
        found = await self._reader.current(since=now - _WINDOW, limit=_SERIES_MAX)
        if not found:
            return
        self._metadata.merge("releases", _METADATA)
        collected = Collected()
        now_ms = to_milliseconds(now)
        for project_id, version, environment, total, crashed in found:
            labels = {
                "project": self._slug_of(project_id),
                "release": version,
                "environment": environment,
            }
            collected.add(_RATIO, labels, now_ms, max(0.0, 1 - crashed / total))
            collected.add(_SESSIONS, labels, now_ms, float(total))
        problems = Problems()
        await store_batch(self._sink, collected.build_batch(), problems)
        if problems.count:
            logger.warning("Some series of releases are not stored: %s", problems)
