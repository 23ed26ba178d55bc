"""A store in memory, for tests of what reads samples."""

from collections.abc import Mapping, Sequence

import numpy as np

from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import ABSENT, SeriesBlock

Points = Mapping[int, float]


class MemoryStore:
    """Implements `Queryable` over samples that were added.

    With `is_matrix` all series come as one block over the union of their timestamps, with absent
    samples where they differ; without it each series is a block of its own.
    """

    def __init__(self, *, is_matrix: bool = True) -> None:
        self._is_matrix = is_matrix
        self._series: dict[Labels, dict[int, float]] = {}

    def add(self, labels: Labels, points: Points) -> None:
        """Add samples by their time in milliseconds."""
        self._series.setdefault(labels, {}).update(points)

    def clear(self) -> None:
        """Forget everything."""
        self._series.clear()

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        found: dict[Labels, dict[int, float]] = {}
        for labels in self._matching(matchers):
            points = self._series[labels]
            inside = {time: points[time] for time in sorted(points) if start_ms <= time <= end_ms}
            if inside:
                found[labels] = inside
        if not found:
            return []
        if self._is_matrix:
            return [_to_block(found)]
        return [_to_block({labels: points}) for labels, points in found.items()]

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return sorted(
            labels
            for labels in self._matching(matchers)
            if any(start_ms <= time <= end_ms for time in self._series[labels])
        )

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        series = self.find_series(matchers, start_ms, end_ms)
        return sorted({name for labels in series for name in labels})

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        series = self.find_series(matchers, start_ms, end_ms)
        return sorted({labels[name] for labels in series if name in labels})

    def _matching(self, matchers: Sequence[Matcher]) -> list[Labels]:
        return [
            labels
            for labels in self._series
            if all(matcher.matches(labels.value(matcher.name)) for matcher in matchers)
        ]


def _to_block(series: Mapping[Labels, Points]) -> SeriesBlock:
    times = np.array(sorted({time for points in series.values() for time in points}))
    values = np.full((len(series), len(times)), ABSENT)
    for row, points in enumerate(series.values()):
        there = np.searchsorted(times, np.fromiter(points, dtype=np.int64))
        values[row, there] = np.fromiter(points.values(), dtype=np.float64)
    return SeriesBlock(list(series), times, values)
