"""The loop that deletes uploads that nobody needs any more."""

import asyncio
import logging
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.sourcemaps.assembly import Assembler
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.store import ArtifactIndex, BundleStore

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 600.0
_MOST_ROUNDS = 1_000
CHUNK_AGE = timedelta(days=1)
"""How long a part is kept that nobody asks for."""


class SourceMapHousekeeping:
    """Deletes old parts, and bundles by age and by what they have of the disk."""

    def __init__(
        self,
        *,
        assembler: Assembler,
        bundles: BundleStore,
        index: ArtifactIndex,
        metrics: SourceMapMetrics,
        clock: Clock,
    ) -> None:
        self._assembler = assembler
        self._bundles = bundles
        self._index = index
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Clean up now and every ten minutes, until cancelled."""
        while True:
            try:
                await self.clean_up()
            except (StorageUnavailableError, OSError) as error:
                logger.warning("Old source maps are deleted later: %s", error)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def clean_up(self) -> None:
        """Delete what may go, once."""
        before = self._clock.now() - CHUNK_AGE
        await asyncio.to_thread(self._assembler.chunks.expire, before)
        for _ in range(_MOST_ROUNDS):
            if not await self._assembler.expire():
                break
        # A crash may leave the file of a bundle that was not yet, or no longer, known.
        known = await self._index.checksums()
        await asyncio.to_thread(self._bundles.expire_unknown, known, before)
        count, size = await self._index.usage()
        self._metrics.bundles.set(count)
        self._metrics.bytes.set(size)
