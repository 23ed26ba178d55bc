"""What a rule looks at, or would have recorded, as a chart that is bounded in time and memory."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray, is_absent
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import Matrix
from resumatch_monitor.rules.preview.advice import count_odd
from resumatch_monitor.rules.preview.firing import Grid
from resumatch_monitor.rules.preview.model import PreviewChart
from resumatch_monitor.rules.preview.sampling import Plan, Sampler
from resumatch_monitor.rules.preview.threshold import Threshold

_SECONDS = 6.0
_POINTS = 300
_SERIES = 20
_MOST_VALUES = 4_000_000
_QUANTILES = {"min": 0.0, "p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart, and what there is to say of all its values.

    Attributes:
        grid: The moments that were looked at.
        nan: The share of NaN among the values.
        infinite: The share of infinite ones.
        most_at_once: The most series that have a value at one moment.
    """

    chart: PreviewChart
    grid: Grid
    nan: float
    infinite: float
    most_at_once: int


class ChartPieces:
    """Takes the matrices of a chart as they come, the newest first.

    Joined, every series has a place at every moment, also those that come and go. The first matrix
    with which that would be too much, and all older ones, are left out.
    """

    def __init__(self, *, most_values: int = _MOST_VALUES) -> None:
        self._most_values = most_values
        self._rows: dict[Labels, int] = {}
        self._pieces: list[Matrix] = []
        self._columns = 0
        self._is_full = False

    def take(self, matrix: Matrix) -> None:
        """Take a matrix that is older than those before."""
        new = [each for each in matrix.labels if each not in self._rows]
        columns = self._columns + len(matrix.timestamps)
        if self._is_full or (len(self._rows) + len(new)) * columns > self._most_values:
            self._is_full = True
            return
        self._columns = columns
        for labels in new:
            self._rows.setdefault(labels, len(self._rows))
        self._pieces.append(matrix)

    def join(self) -> tuple[FloatArray, list[Labels], TimeArray]:
        """Return values, (S, T), of series at times; absent where a series is not in a matrix."""
        times = np.concatenate(
            [each.timestamps for each in reversed(self._pieces)] or [np.empty(0, np.int64)]
        )
        values = np.full((len(self._rows), len(times)), ABSENT)
        column = len(times)
        for piece in self._pieces:
            count = len(piece.timestamps)
            column -= count
            places = [self._rows[labels] for labels in piece.labels]
            values[places, column : column + count] = piece.values
        return values, list(self._rows), times


async def draw(
    queries: QueryRunner,
    clock: Clock,
    grid: Grid,
    *,
    expr: str,
    threshold: Threshold | None = None,
    change: Callable[[Matrix], Matrix] = lambda matrix: matrix,
) -> Drawn:
    """Return the chart of an expression over `grid`, at fewer moments if those are many.

    Args:
        queries: Evaluates it.
        clock: Tells how long it takes.
        grid: The range, and the shortest step.
        expr: What is drawn.
        threshold: What it is compared with: the series that come nearest are shown.
        change: Makes of each matrix what is drawn.

    Raises:
        QueryError: If it cannot be evaluated.
    """
    pieces = ChartPieces()
    sampler = Sampler(queries, clock, expr=expr, node=parse(expr, features=FEATURES))
    span_ms = grid.end_ms - grid.start_ms
    step_ms = max(grid.step_ms, span_ms // _POINTS or 1000)
    wanted = Grid(grid.end_ms - span_ms // step_ms * step_ms, grid.end_ms, step_ms)
    deadline = clock.monotonic() + _SECONDS
    each = await sampler.measure(grid.end_ms)
    plan: Plan = sampler.spread(wanted, each, _SECONDS / 2) or await sampler.plan(wanted)
    reached = await sampler.sample(
        plan, lambda matrix: pieces.take(change(matrix)), deadline=deadline
    )
    first = plan.grid.start_ms if reached is None else reached
    looked_at = Grid(first, plan.grid.end_ms, plan.grid.step_ms)
    # Millions of values are sorted.
    return await asyncio.to_thread(_summarise, pieces, looked_at, expr, threshold)


def _summarise(pieces: ChartPieces, grid: Grid, expr: str, threshold: Threshold | None) -> Drawn:
    values, labels, times = pieces.join()
    is_there = ~is_absent(values)
    there = values[is_there]
    finite = there[np.isfinite(there)]
    quantiles: Mapping[str, float] = {}
    if len(finite):
        found: list[float] = np.quantile(finite, list(_QUANTILES.values())).tolist()
        quantiles = dict(zip(_QUANTILES, found, strict=True))
    rows = _choose(values, "" if threshold is None else threshold.operator)
    chart = PreviewChart(
        expr=expr,
        times=times,
        labels=[labels[row] for row in rows],
        values=values[rows],
        left_out=len(labels) - len(rows),
        threshold=threshold,
        quantiles=quantiles,
    )
    nan, infinite = count_odd(there)
    most_at_once = int(is_there.sum(axis=0).max(initial=0))
    return Drawn(chart, grid, nan, infinite, most_at_once)


def _choose(values: FloatArray, operator: str) -> list[int]:
    """Return the rows of the series that come nearest to or go furthest beyond the line."""
    if len(values) <= _SERIES:
        return list(range(len(values)))
    finite = np.where(np.isfinite(values), values, np.nan)
    with np.errstate(all="ignore"):
        if operator.startswith("<"):
            order = np.argsort(np.fmin.reduce(finite, axis=1))
        else:
            order = np.argsort(-np.fmax.reduce(finite, axis=1))
    chosen: list[int] = order[:_SERIES].tolist()
    return chosen
