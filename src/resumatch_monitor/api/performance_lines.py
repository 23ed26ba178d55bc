"""Endpoints measured and compared, and the numbers that are made of figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resumatch_monitor.tracing.performance.sketch import Distribution
from resumatch_monitor.tracing.performance.store import EndpointKey, Figures, PerformanceSort

QUANTILES = {"p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}


@dataclass(slots=True)
class EndpointLine:
    """An endpoint with what was counted of it in a window and in the one before.

    Attributes:
        change: p95 in comparison with the window before, 1.0 for the same; None without enough
            requests in either.
    """

    key: EndpointKey
    figures: Figures
    before: Figures
    distribution: Distribution
    threshold_us: float
    apdex: float | None
    p95_before: float | None
    change: float | None

    def rank(self, sort: PerformanceSort, *, is_up: bool) -> float:
        """Return what sorting ascending by puts it into its place; unknown values go last."""
        value = self._value(sort)
        if value is None:
            return math.inf
        return value if is_up else -value

    def _value(self, sort: PerformanceSort) -> float | None:
        match sort:
            case PerformanceSort.COUNT:
                return self.figures.count
            case PerformanceSort.P50:
                return self.distribution.quantile(0.5)
            case PerformanceSort.P95:
                return self.distribution.quantile(0.95)
            case PerformanceSort.FAILURES:
                return ratio(self.figures.failed, self.figures.count)
            case PerformanceSort.APDEX:
                return self.apdex
            case PerformanceSort.CHANGE:
                return self.change
            case PerformanceSort.TOTAL:
                return self.figures.total


def merge_figures(into: Figures, other: Figures) -> None:
    """Add figures to others."""
    into.seen += other.seen
    into.count += other.count
    into.failed += other.failed
    into.total += other.total
    into.sketches.extend(other.sketches)
    for step, count in other.by_step.items():
        into.by_step[step] = into.by_step.get(step, 0.0) + count


def mean_apdex(lines: Sequence[EndpointLine]) -> float | None:
    """Return Apdex over endpoints that may have thresholds of their own."""
    rated = [(line.apdex, line.figures.count) for line in lines if line.apdex is not None]
    total = sum(count for _, count in rated)
    return sum(score * count for score, count in rated) / total if total else None


def render_quantiles(distribution: Distribution) -> dict[str, float | None]:
    """Return the quantiles that are shown, in seconds."""
    return {
        f"{name}_seconds": to_seconds(distribution.quantile(quantile))
        for name, quantile in QUANTILES.items()
    }


def to_seconds(microseconds: float | None) -> float | None:
    """Return microseconds as seconds; None stays."""
    return None if microseconds is None else microseconds / 1e6


def ratio(part: float, whole: float) -> float | None:
    """Return a share; None of nothing."""
    return part / whole if whole else None
