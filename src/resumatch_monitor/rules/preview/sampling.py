"""Evaluates an expression over a long range in pieces, within bounds of time and memory."""

from collections.abc import Callable
from dataclasses import dataclass

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.context import DEFAULT_LOOKBACK_MS
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import Matrix, QueryLimitError
from resumatch_monitor.promql.walk import list_selectors
from resumatch_monitor.rules.preview.firing import Grid

MOST_POINTS = 50_000
_MOST_CELLS = 2_000_000
"""Series times moments that one query makes."""
_MOST_POINTS_AT_ONCE = 2_000
_FEWEST_POINTS = 20
"""Moments that are looked at however long each takes, as far as the deadline allows."""


@dataclass(slots=True)
class Plan:
    """How a range is evaluated.

    Attributes:
        grid: The moments.
        points_at_once: How many moments one query evaluates.
        series: About how many series are read.
    """

    grid: Grid
    points_at_once: int
    series: int


class Sampler:
    """Evaluates one expression; the newest pieces first, so that what is left out is old."""

    def __init__(self, queries: QueryRunner, clock: Clock, *, expr: str, node: ast.Expr) -> None:
        self._queries = queries
        self._clock = clock
        self._expr = expr
        self._node = node

    async def plan(self, grid: Grid) -> Plan:
        """Return how to evaluate at the moments of `grid`, or at fewer if those are too many."""
        if grid.count > MOST_POINTS:
            grid = coarsen(grid, MOST_POINTS)
        series = await self._count_series(grid)
        points = max(1, min(_MOST_POINTS_AT_ONCE, _MOST_CELLS // max(1, series)))
        return Plan(grid, points, series)

    def spread(self, grid: Grid, seconds_each: float, seconds: float) -> Plan | None:
        """Return how to look at single moments within `seconds`; None if that spares nothing.

        Where moments are further apart than an expression looks back, most samples need not be
        read at all.
        """
        affordable = max(_FEWEST_POINTS, int(seconds / max(seconds_each, 1e-4)))
        coarse = coarsen(grid, affordable) if grid.count > affordable else grid
        if coarse.step_ms < 2 * find_look_back_ms(self._node):
            return None
        return Plan(coarse, 1, 0)

    async def sample(
        self,
        plan: Plan,
        take: Callable[[Matrix], None],
        *,
        deadline: float,
        stop_if_longer: float | None = None,
    ) -> int | None:
        """Evaluate, and give each piece to `take`, in a thread.

        Args:
            plan: What `plan` or `spread` returned.
            take: Gets one matrix after the other.
            deadline: The monotonic time at which no further piece is begun.
            stop_if_longer: Return after the first piece if all would take longer than so many
                seconds.

        Returns:
            The first moment that was looked at, None if it was stopped for its length.

        Raises:
            QueryError: If it cannot be evaluated.
        """
        grid, began = plan.grid, self._clock.monotonic()
        last = grid.end_ms
        points, done = plan.points_at_once, 0
        while True:
            first = max(grid.start_ms, last - (points - 1) * grid.step_ms)
            try:
                await self._evaluate(first, last, grid.step_ms, take)
            except QueryLimitError:
                if points == 1:
                    raise
                points = max(1, points // 4)
                continue
            done += (last - first) // grid.step_ms + 1
            now = self._clock.monotonic()
            if first <= grid.start_ms or now >= deadline:
                return first
            if stop_if_longer is not None and (now - began) * grid.count / done > stop_if_longer:
                return None
            last = first - grid.step_ms

    async def measure(self, at_ms: int) -> float:
        """Return how many seconds one moment takes."""
        began = self._clock.monotonic()
        await self._evaluate(at_ms, at_ms, 1000, lambda _: None)
        return self._clock.monotonic() - began

    async def _evaluate(
        self, first: int, last: int, step_ms: int, take: Callable[[Matrix], None]
    ) -> None:
        await self._queries.run_range(
            self._expr,
            start_ms=first,
            end_ms=last,
            step_ms=step_ms,
            render=lambda answer: take(answer.value),
        )

    async def _count_series(self, grid: Grid) -> int:
        # What is there at the end stands for what there was.
        start_ms = max(grid.start_ms, grid.end_ms - 3_600_000)
        selectors = list_selectors(self._node)
        return await self._queries.read(
            lambda queryable: max(
                (
                    len(queryable.find_series(each.matchers, start_ms, grid.end_ms))
                    for each in selectors
                ),
                default=1,
            )
        )


def coarsen(grid: Grid, most: int) -> Grid:
    """Return the grid with so much longer steps that it has at most `most` moments."""
    span = grid.end_ms - grid.start_ms
    factor = -(-span // (grid.step_ms * max(1, most - 1)))
    step_ms = grid.step_ms * max(1, factor)
    return Grid(grid.end_ms - span // step_ms * step_ms, grid.end_ms, step_ms)


def find_look_back_ms(node: ast.Expr) -> int:
    """Return how far back an evaluation looks at most, offsets left out."""
    match node:
        case ast.MatrixSelector():
            return node.range_ms
        case ast.VectorSelector():
            return DEFAULT_LOOKBACK_MS
        case ast.Subquery():
            return node.range_ms + find_look_back_ms(node.expr)
        case ast.Call():
            return max(map(find_look_back_ms, node.args), default=0)
        case ast.Aggregation() | ast.Negation():
            return find_look_back_ms(node.expr)
        case ast.Binary():
            return max(find_look_back_ms(node.lhs), find_look_back_ms(node.rhs))
        case _:
            return 0
