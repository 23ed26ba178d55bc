"""Exemplars: single events, a trace say, that a series' samples stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from resumatch_monitor.metrics.labels import Labels, Matcher

Pairs = tuple[tuple[str, str], ...]

LONGEST_LABELS = 128
"""Characters that the names and values of an exemplar's labels may have together."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One event.

    Attributes:
        labels: What leads to it, `trace_id` usually: names and values, sorted.
        value: What was measured.
        timestamp_ms: Milliseconds since the epoch.
    """

    labels: Pairs
    value: float
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class SeriesExemplars:
    """The exemplars of one series, oldest first."""

    series: Labels
    exemplars: Sequence[Exemplar]


class ExemplarStore(Protocol):
    """Keeps the latest exemplars. Of a bounded number, the oldest give way."""

    async def append(self, found: Sequence[SeriesExemplars]) -> None:
        """Keep exemplars; durable when it returns.

        Left out, as Prometheus does, are those that are older than the last of their series, those
        that it has already, and those whose labels have more than `LONGEST_LABELS` characters.

        Raises:
            StoreFullError: If the disk is nearly full.
        """
        ...

    def find(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, limit: int
    ) -> list[SeriesExemplars]:
        """Return the exemplars in `[start_ms, end_ms]` of the series that match, sorted by series.

        Args:
            matchers: What the series must fulfil, all of it.
            start_ms: The earliest time.
            end_ms: The latest time.
            limit: At most so many exemplars.
        """
        ...
