"""Sums up series that are sent as deltas, so that they are counters as Prometheus has them."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels


class DeltaError(ValueError):
    """A delta cannot be added; the message says why."""


@dataclass(slots=True)
class _Sum:
    values: list[float]
    bounds: tuple[float, ...]
    time_ns: int
    touched_at: float


class DeltaSums:
    """The sums of at most `max_series` series, in memory; not for concurrent use.

    A series begins at zero again when the process does, and when nothing came for `expiry`. To
    `rate` and `increase` that is what the restart of a program is: a counter's reset.
    """

    def __init__(self, *, clock: Clock, max_series: int, expiry: timedelta) -> None:
        self._clock = clock
        self._max_series = max_series
        self._expiry_seconds = expiry.total_seconds()
        self._sums: OrderedDict[Labels, _Sum] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sums)

    def add(
        self,
        series: Labels,
        values: Sequence[float],
        *,
        time_ns: int,
        bounds: tuple[float, ...] = (),
    ) -> list[float]:
        """Add a delta to its series and return the sums.

        What comes a second time is not added again: its sender has not heard the first answer.

        Args:
            series: Which one.
            values: One number, or those of a histogram.
            time_ns: The end of the delta's period.
            bounds: Of a histogram; with others, its sums begin anew.

        Raises:
            DeltaError: If the series has a later one already, or there are too many series.
        """
        now = self._clock.monotonic()
        self._expire(now)
        known = self._sums.get(series)
        if known is None:
            if len(self._sums) >= self._max_series:
                raise DeltaError(f"more than {self._max_series} series are sent as deltas")
            self._sums[series] = _Sum(list(values), bounds, time_ns, now)
            return list(values)
        if time_ns < known.time_ns:
            raise DeltaError("a later delta of the series was added before")
        if known.bounds != bounds or len(known.values) != len(values):
            # Also at the same time: a sum and a histogram may bear one name.
            known.values, known.bounds = list(values), bounds
        elif time_ns > known.time_ns:
            known.values = [a + b for a, b in zip(known.values, values, strict=True)]
        known.time_ns = time_ns
        known.touched_at = now
        self._sums.move_to_end(series)
        return list(known.values)

    def _expire(self, now: float) -> None:
        while self._sums:
            oldest = next(iter(self._sums.values()))
            if now - oldest.touched_at <= self._expiry_seconds:
                break
            self._sums.popitem(last=False)
