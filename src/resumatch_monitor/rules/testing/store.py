"""The samples of one test: those it is given, and those its rules record."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import (
    ABSENT,
    BatchSink,
    FloatArray,
    Queryable,
    SampleBatch,
    SeriesBlock,
    TimeArray,
)
from resumatch_monitor.rules.testing.document import InputSeries


class _Recorded:
    """The samples that rules have written to one series, in their order."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.values: list[float] = []


class SeriesStore(Queryable, BatchSink):
    """Implements both sides in memory.

    Attributes:
        now_ms: Samples that are given for later are not there yet.
    """

    def __init__(self, series: Iterable[InputSeries], *, start_ms: int, interval_ms: int) -> None:
        # Of two series with the same labels the later counts, as for promtool.
        given = {each.labels: each.values for each in series}
        self._labels = list(given)
        length = max((len(values) for values in given.values()), default=0)
        self._times: TimeArray = start_ms + np.arange(length, dtype=np.int64) * interval_ms
        self._values = _lay_out(list(given.values()), length)
        self._recorded: dict[Labels, _Recorded] = {}
        self.now_ms = start_ms

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        """See `Queryable`."""
        blocks: list[SeriesBlock] = []
        rows = [row for row, labels in enumerate(self._labels) if _matches(matchers, labels)]
        first = int(self._times.searchsorted(start_ms, side="left"))
        last = int(self._times.searchsorted(min(end_ms, self.now_ms), side="right"))
        if rows and first < last:
            labels = [self._labels[row] for row in rows]
            values = self._values[rows, first:last]
            blocks.append(SeriesBlock(labels, self._times[first:last], values))
        for labels, recorded in self._recorded.items():
            if _matches(matchers, labels):
                blocks.extend(_cut(labels, recorded, start_ms, end_ms))
        return blocks

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """See `Queryable`."""
        blocks = self.select(matchers, start_ms, end_ms)
        return sorted(labels for block in blocks for labels in block.labels)

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        return sorted({n for each in self.find_series(matchers, start_ms, end_ms) for n in each})

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        series = self.find_series(matchers, start_ms, end_ms)
        return sorted({each[name] for each in series if name in each})

    async def append_batch(self, batch: SampleBatch) -> None:
        """See `BatchSink`. A series that the test is given and a rule records is the test's."""
        bounds: list[int] = batch.offsets.tolist()
        given = frozenset(self._labels)
        for labels, begin, end in zip(batch.labels, bounds[:-1], bounds[1:], strict=True):
            if labels not in given:
                recorded = self._recorded.setdefault(labels, _Recorded())
                recorded.times.extend(batch.times[begin:end].tolist())
                # One by one: the bits of a staleness marker must stay as they are.
                recorded.values.extend(batch.values[begin:end].tolist())


def _lay_out(series: Sequence[Sequence[float | None]], length: int) -> FloatArray:
    values = np.full((len(series), length), ABSENT)
    for row, each in enumerate(series):
        values[row, : len(each)] = [ABSENT if value is None else value for value in each]
    return values


def _matches(matchers: Sequence[Matcher], labels: Labels) -> bool:
    return all(matcher.matches(labels.value(matcher.name)) for matcher in matchers)


def _cut(labels: Labels, recorded: _Recorded, start_ms: int, end_ms: int) -> list[SeriesBlock]:
    first = bisect_left(recorded.times, start_ms)
    last = bisect_right(recorded.times, end_ms)
    if first == last:
        return []
    times = np.array(recorded.times[first:last], dtype=np.int64)
    return [SeriesBlock([labels], times, np.array([recorded.values[first:last]]))]
