"""Writes the series that a rule yields, and ends those that it yields no more."""

from collections.abc import Iterable, Mapping

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE, FloatArray, SampleSink, TimeArray


class SeriesWriter:
    """Remembers which series the evaluation before had written."""

    def __init__(self, sink: SampleSink) -> None:
        self._sink = sink
        self._open: frozenset[Labels] = frozenset()

    def resume(self, series: Iterable[Labels]) -> None:
        """Take `series` for written, so that they are ended when they are gone."""
        self._open = frozenset(series)

    def take_over(self, other: "SeriesWriter") -> None:
        """Go on with the series of `other`."""
        self._open = other._open

    async def write(self, series: Mapping[Labels, float], timestamp_ms: int) -> None:
        """Write one sample for each of `series` and a staleness marker for each that ended.

        Raises:
            StoreFullError: If the store takes no samples; the same call may be made again.
        """
        times: TimeArray = np.array([timestamp_ms], np.int64)
        stale: FloatArray = np.array([STALE])
        samples = [(labels, times, np.array([value])) for labels, value in series.items()]
        samples.extend((labels, times, stale) for labels in self._open if labels not in series)
        if samples:
            await self._sink.append_samples(samples)
        self._open = frozenset(series)
