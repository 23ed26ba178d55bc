"""Collects the samples of a request by series."""

from collections.abc import Mapping

import numpy as np

from resumatch_monitor.metrics.exemplars import Exemplar, SeriesExemplars
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import SampleBatch

_MOST_SERIES = 100_000


class TooManySeriesError(ValueError):
    """One request has more series than are taken at once."""


class Collected:
    """Samples and exemplars, by series."""

    def __init__(self) -> None:
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}
        self._exemplars: dict[Labels, list[Exemplar]] = {}

    def add(
        self, name: str, labels: Mapping[str, str], time_ms: int, value: float, **extra: str
    ) -> Labels:
        """Add a sample and return its series.

        Args:
            name: The metric's name.
            labels: All other labels but `extra`.
            time_ms: Milliseconds since the epoch.
            value: Its value.
            extra: Labels that win over `labels`: `le`, `quantile`.

        Raises:
            TooManySeriesError: If there is no room for another series.
        """
        series = Labels({**labels, **extra, METRIC_NAME: name}.items())
        found = self._series.get(series)
        if found is None:
            if len(self._series) >= _MOST_SERIES:
                raise TooManySeriesError(f"more than {_MOST_SERIES} series in one request")
            found = self._series[series] = ([], [])
        times, values = found
        times.append(time_ms)
        values.append(value)
        return series

    def add_exemplar(self, series: Labels, exemplar: Exemplar) -> None:
        """Add an exemplar of a series."""
        self._exemplars.setdefault(series, []).append(exemplar)

    def build_batch(self) -> SampleBatch:
        """Return the samples."""
        offsets = np.zeros(len(self._series) + 1, dtype=np.int64)
        np.cumsum([len(times) for times, _ in self._series.values()], out=offsets[1:])
        times = [time for times, _ in self._series.values() for time in times]
        values = [value for _, values in self._series.values() for value in values]
        return SampleBatch(
            list(self._series),
            offsets,
            np.array(times, dtype=np.int64),
            np.array(values, dtype=np.float64),
        )

    def build_exemplars(self) -> list[SeriesExemplars]:
        """Return the exemplars."""
        return [SeriesExemplars(series, found) for series, found in self._exemplars.items()]
