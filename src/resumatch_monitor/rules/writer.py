"""Writes the series that a rule yields, and ends those that it yields no more."""

from collections.abc import Iterable, Mapping

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    STALE,
    BatchSink,
    SampleBatch,
    SamplesRejectedError,
)


class SeriesWriter:
    """Remembers which series the evaluation before had written."""

    def __init__(self, sink: BatchSink) -> None:
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
            SamplesRejectedError: If another rule has written other values of the same series.
            StoreFullError: If the store takes no samples; the same call may be made again.
        """
        ended = [labels for labels in self._open if labels not in series]
        count = len(series) + len(ended)
        if count:
            values = np.full(count, STALE)
            values[: len(series)] = np.fromiter(series.values(), np.float64, len(series))
            batch = SampleBatch(
                labels=[*series, *ended],
                offsets=np.arange(count + 1, dtype=np.int64),
                times=np.full(count, timestamp_ms, np.int64),
                values=values,
            )
            await self._append(batch, frozenset(series), frozenset(ended))
        self._open = frozenset(series)

    async def _append(
        self, batch: SampleBatch, series: frozenset[Labels], ended: frozenset[Labels]
    ) -> None:
        try:
            await self._sink.append_batch(batch)
        except SamplesRejectedError as error:
            # All the others are durable. That a series goes on by another rule is as it should be.
            self._open = series
            if error.count > len(error.rejections) or any(
                each.labels not in ended for each in error.rejections
            ):
                raise
