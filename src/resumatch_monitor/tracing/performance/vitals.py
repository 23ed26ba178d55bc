"""Web vitals: Google's thresholds, and the 75th percentiles as series."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.collected import Collected
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.receiver import store_batch
from resumatch_monitor.metrics.samples import BatchSink, StoreFullError
from resumatch_monitor.tracing.performance.model import VITALS
from resumatch_monitor.tracing.performance.sketch import Distribution
from resumatch_monitor.tracing.performance.store import (
    FINE_SECONDS,
    EndpointFilter,
    PerformanceReader,
    Window,
)

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
_WINDOW_MS = 3_600_000
_SERIES_MAX = 1_000
_METADATA = {
    "web_vital_p75": Metadata(
        "gauge", "The 75th percentile of a web vital in the last hour; cls has no unit.", "seconds"
    )
}


class Thresholds(NamedTuple):
    """Up to where a vital is good, and up to where it merely needs improvement, in millionths."""

    good: float
    poor: float


# https://web.dev/articles/vitals#core-web-vitals, https://web.dev/articles/fcp,
# https://web.dev/articles/ttfb
THRESHOLDS = {
    "lcp": Thresholds(2_500e3, 4_000e3),
    "inp": Thresholds(200e3, 500e3),
    "cls": Thresholds(0.1e6, 0.25e6),
    "fcp": Thresholds(1_800e3, 3_000e3),
    "ttfb": Thresholds(800e3, 1_800e3),
}


def rate_vital(vital: str, value: float) -> str:
    """Return `good`, `needs improvement` or `poor` for a value in millionths."""
    good, poor = THRESHOLDS[vital]
    if value <= good:
        return "good"
    return "needs improvement" if value <= poor else "poor"


def split_vital(vital: str, distribution: Distribution) -> list[float]:
    """Return how many measurements are good, need improvement, and are poor."""
    return distribution.count_between(THRESHOLDS[vital])


class VitalSeries:
    """Writes the 75th percentiles of the last hour every minute."""

    def __init__(
        self,
        *,
        reader: PerformanceReader,
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
                logger.warning("Series of web vitals are not stored: %s", error)

    async def write(self) -> None:
        """Write what the last hour had.

        Raises:
            StoreFullError: If the store refuses it.
        """
        now_ms = to_milliseconds(self._clock.now())
        environments = (await self._reader.facets())["environments"]
        step_ms = FINE_SECONDS * 1_000
        end_ms = -(-now_ms // step_ms) * step_ms
        window = Window(end_ms - _WINDOW_MS, end_ms, FINE_SECONDS)
        collected = Collected()
        count = 0
        for environment in environments or ("",):
            found = await self._reader.read_endpoints(
                EndpointFilter(environment=environment), [window], VITALS
            )
            for (endpoint, vital), (figures,) in found.items():
                value = figures.distribution().quantile(0.75)
                if value is None or count >= _SERIES_MAX:
                    continue
                count += 1
                labels = {
                    "project": self._slug_of(endpoint.project_id),
                    "environment": environment,
                    "endpoint": endpoint.name,
                    "vital": vital,
                }
                collected.add("web_vital_p75", labels, now_ms, value / 1e6)
        if not count:
            return
        self._metadata.merge("performance", _METADATA)
        problems = Problems()
        await store_batch(self._sink, collected.build_batch(), problems)
