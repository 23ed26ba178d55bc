"""The latest exemplars, in memory."""

import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from resumatch_monitor.metrics.exemplars import LONGEST_LABELS, Exemplar, SeriesExemplars
from resumatch_monitor.metrics.labels import Labels, Matcher

_LARGEST_TIME_MS = 1 << 62


class ExemplarRing:
    """Keeps the last `capacity` exemplars of all series together; safe from several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_series: dict[Labels, deque[Exemplar]] = {}
        self._order: deque[Labels] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, found: Sequence[SeriesExemplars]) -> list[SeriesExemplars]:
        """Keep exemplars; return those that were kept, without old, known and too long ones."""
        if not self._capacity:
            return []
        with self._lock:
            kept = [SeriesExemplars(each.series, self._add(each)) for each in found]
        return [each for each in kept if each.exemplars]

    def find(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, limit: int
    ) -> list[SeriesExemplars]:
        """See `ExemplarStore`."""
        with self._lock:
            matched = sorted(
                (series, list(exemplars))
                for series, exemplars in self._by_series.items()
                if all(each.matches(series.value(each.name)) for each in matchers)
            )
        found: list[SeriesExemplars] = []
        for series, exemplars in matched:
            inside = [each for each in exemplars if start_ms <= each.timestamp_ms <= end_ms]
            inside = inside[:limit]
            limit -= len(inside)
            if inside:
                found.append(SeriesExemplars(series, inside))
        return found

    def everything(self) -> Iterator[SeriesExemplars]:
        """Yield all that is kept, in the order in which it came."""
        with self._lock:
            positions = dict.fromkeys(self._by_series, 0)
            for series in self._order:
                yield SeriesExemplars(series, [self._by_series[series][positions[series]]])
                positions[series] += 1

    def _add(self, found: SeriesExemplars) -> list[Exemplar]:
        exemplars = self._by_series.get(found.series)
        kept: list[Exemplar] = []
        last = exemplars[-1] if exemplars else None
        for each in sorted(found.exemplars, key=lambda exemplar: exemplar.timestamp_ms):
            if not _is_acceptable(each) or (last is not None and not _follows(each, last)):
                continue
            last = Exemplar(
                tuple((sys.intern(name), value) for name, value in each.labels),
                each.value,
                each.timestamp_ms,
            )
            kept.append(last)
            self._by_series.setdefault(found.series, deque()).append(last)
            self._order.append(found.series)
            if len(self._order) > self._capacity:
                self._drop_oldest()
        return kept

    def _drop_oldest(self) -> None:
        series = self._order.popleft()
        exemplars = self._by_series[series]
        exemplars.popleft()
        if not exemplars:
            del self._by_series[series]


def _is_acceptable(exemplar: Exemplar) -> bool:
    length = sum(len(name) + len(value) for name, value in exemplar.labels)
    return length <= LONGEST_LABELS and abs(exemplar.timestamp_ms) < _LARGEST_TIME_MS


def _follows(exemplar: Exemplar, last: Exemplar) -> bool:
    """Tell whether `exemplar` is news after the last one of its series."""
    return exemplar.timestamp_ms > last.timestamp_ms
