"""What series have to look like for an expression to hold: solved backwards from the condition."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from resumatch_monitor.promql import ast
from resumatch_monitor.rules.drill.arithmetic import (
    COMPARISONS,
    INVERSES,
    UnsolvableError,
    holds,
    solve_left,
    solve_right,
    split,
    turn,
)
from resumatch_monitor.rules.drill.selectors import find_selectors

_ONE_SERIES = frozenset({"sum", "avg", "min", "max", "topk", "bottomk", "quantile", "limitk"})
_SAME = frozenset(
    {
        "ceil",
        "clamp",
        "clamp_max",
        "clamp_min",
        "floor",
        "label_join",
        "label_replace",
        "round",
        "scalar",
        "sort",
        "sort_by_label",
        "sort_by_label_desc",
        "sort_desc",
        "vector",
        "abs",
    }
)
_LEVELS = frozenset(
    {
        "avg_over_time",
        "first_over_time",
        "last_over_time",
        "mad_over_time",
        "max_over_time",
        "min_over_time",
        "predict_linear",
        "quantile_over_time",
    }
)
_PER_SECOND = frozenset({"rate", "irate", "deriv"})
_BY_RANGE = frozenset({"increase", "delta"})
_STEADY = frozenset({"changes", "resets"})
"""Functions that are 0 for what stays as it is."""
_MOST_COUNTED = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """How the series of one selector have to behave.

    Attributes:
        selector: Which.
        range_ms: How far an evaluation looks back; 0 for the latest sample.
        level: The value of a gauge; None for a counter.
        slope: By how much a counter rises each second.
        labels: Which the series must have besides.
        count: How many series there must be.
        is_absent: There must be none.
    """

    selector: ast.VectorSelector
    range_ms: int = 0
    level: float | None = None
    slope: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()
    count: int = 1
    is_absent: bool = False


Evaluate = Callable[[ast.Expr], float | None]
"""Returns the number that an expression without selectors is; None if it is none."""


@dataclass(frozen=True, slots=True)
class Solver:
    """Finds wishes that make an expression hold.

    Attributes:
        evaluate: For what does not depend on data.
        attempt: 0 goes far beyond each threshold; later ones stay nearer to it.
    """

    evaluate: Evaluate
    attempt: int = 0

    def hold(self, node: ast.Expr) -> list[Wish]:
        """Return what makes `node` yield something.

        Raises:
            UnsolvableError: If that is not known.
        """
        if not find_selectors(node):
            # The hour of the day, for instance: it holds by now, or data does not help.
            if self.evaluate(node) is None:
                raise UnsolvableError
            return []
        match node:
            case ast.Binary("and", lhs, rhs):
                return [*self.hold(lhs), *self.hold(rhs)]
            case ast.Binary("or", lhs, rhs):
                return self._first(lambda: self.hold(lhs), lambda: self.hold(rhs))
            case ast.Binary("unless", lhs, rhs):
                return [*self.hold(lhs), *self._hide(rhs)]
            case ast.Binary(operator) if operator in COMPARISONS and not node.is_bool:
                return self._compare(node, None)
            case _:
                return self.reach(node, 1.0)

    def reach(self, node: ast.Expr, target: float) -> list[Wish]:
        """Return what makes `node` have about the value `target`.

        Raises:
            UnsolvableError: If that is not known.
        """
        match node:
            case ast.VectorSelector():
                return [Wish(node, level=target)]
            case ast.Negation(expr):
                return self.reach(expr, -target)
            case ast.Subquery(expr):
                return self.reach(expr, target)
            case ast.Aggregation():
                return self._aggregate(node, target)
            case ast.Call():
                return self._call(node, target)
            case ast.Binary():
                return self._combine(node, target)
            case _:
                if self.evaluate(node) == target:
                    return []
                raise UnsolvableError

    def _aggregate(self, node: ast.Aggregation, target: float) -> list[Wish]:
        if node.operator in _ONE_SERIES:
            return self.reach(node.expr, target)
        if node.operator == "group":
            return self.reach(node.expr, 1.0)
        if node.operator in ("count", "count_values") and 1 <= target <= _MOST_COUNTED:
            wishes = self.hold(node.expr)
            return [_times(wish, math.ceil(target)) for wish in wishes]
        raise UnsolvableError

    def _call(self, node: ast.Call, target: float) -> list[Wish]:
        name, args = node.function, node.args
        if name in ("absent", "absent_over_time"):
            return self._hide(args[0])
        if name in _SAME:
            return self.reach(args[0], target)
        if name in INVERSES:
            try:
                return self.reach(args[0], INVERSES[name](target))
            except ValueError:
                raise UnsolvableError from None
        if name == "histogram_quantile":
            return self._bucket(args[1], target)
        if name == "timestamp":
            return self.reach(args[0], 1.0)
        argument = next(
            (each for each in args if isinstance(each, ast.MatrixSelector | ast.Subquery)), None
        )
        if isinstance(argument, ast.Subquery) and name in _LEVELS | {"present_over_time"}:
            return self.reach(argument.expr, target)
        if isinstance(argument, ast.MatrixSelector):
            return [self._over_range(name, argument, target)]
        raise UnsolvableError

    def _over_range(self, name: str, argument: ast.MatrixSelector, target: float) -> Wish:
        selector, range_ms = argument.selector, argument.range_ms
        if name in _PER_SECOND:
            return Wish(selector, range_ms, slope=target)
        if name in _BY_RANGE:
            return Wish(selector, range_ms, slope=target / (range_ms / 1000))
        if name in _LEVELS:
            return Wish(selector, range_ms, level=target)
        if name in _STEADY and target == 0:
            return Wish(selector, range_ms, level=1.0)
        if name in ("count_over_time", "present_over_time", "sum_over_time"):
            return Wish(selector, range_ms, level=max(target, 1.0))
        raise UnsolvableError

    def _bucket(self, node: ast.Expr, target: float) -> list[Wish]:
        """Return buckets of which all observations lie around `target`."""
        wishes: list[Wish] = []
        edges = ((0.9 * target, 0.0), (1.1 * target, 1.0), (math.inf, 1.0))
        for wish in self.reach(node, 1.0):
            for edge, share in edges:
                le = (("le", "+Inf" if math.isinf(edge) else repr(edge)),)
                level = None if wish.level is None else wish.level * share
                wishes.append(
                    Wish(
                        wish.selector,
                        wish.range_ms,
                        level=level,
                        slope=wish.slope * share,
                        labels=(*wish.labels, *le),
                    )
                )
        return wishes

    def _combine(self, node: ast.Binary, target: float) -> list[Wish]:
        operator, lhs, rhs = node.operator, node.lhs, node.rhs
        if operator in ("and", "unless"):
            other = self.hold(rhs) if operator == "and" else self._hide(rhs)
            return [*self.reach(lhs, target), *other]
        if operator == "or":
            return self._first(lambda: self.reach(lhs, target), lambda: self.reach(rhs, target))
        if operator in COMPARISONS:
            return self._compare(node, target)
        left, right = self._constant(lhs), self._constant(rhs)
        if right is not None:
            return self.reach(lhs, solve_left(operator, right, target))
        if left is not None:
            return self.reach(rhs, solve_right(operator, left, target))
        left_target, right_target = split(operator, target, self.attempt)
        return [*self.reach(lhs, left_target), *self.reach(rhs, right_target)]

    def _compare(self, node: ast.Binary, target: float | None) -> list[Wish]:
        """Return what makes a comparison hold, with the value `target` if it allows that."""
        if node.is_bool:
            if target == 0:
                raise UnsolvableError
            target = None
        left, right = self._constant(node.lhs), self._constant(node.rhs)
        if right is not None:
            wanted = self._choose(node.operator, right, target)
            return self.reach(node.lhs, wanted)
        if left is not None:
            return self.reach(node.rhs, self._choose(turn(node.operator), left, target))
        low, high = ((0.0, 1000.0), (1.0, 1000.0), (1.0, 1e6))[min(self.attempt, 2)]
        if node.operator in ("==", "<=", ">="):
            low = high = target if target is not None else 1.0
        pair = (low, high) if node.operator in ("<", "<=", "!=") else (high, low)
        return [*self.reach(node.lhs, pair[0]), *self.reach(node.rhs, pair[1])]

    def _choose(self, operator: str, bound: float, target: float | None) -> float:
        """Return a value that compares well with `bound`: `target` if it does."""
        if target is not None and holds(operator, target, bound):
            return target
        above = (2 * abs(bound) + bound + 1, bound + abs(bound) * 0.5 + 0.01, bound * 1.02 + 1e-9)
        below = (bound - 2 * abs(bound) - 1, bound / 2 if bound > 0 else bound - 1, bound - 1e-3)
        if bound > 0:
            # Most things that are counted or measured cannot be less than nothing.
            below = (0.0, bound / 2, bound * 0.9)
        index = min(self.attempt, 2)
        match operator:
            case ">" | ">=":
                return above[index]
            case "<" | "<=":
                return below[index]
            case "!=":
                return bound + 1
            case _:
                return bound

    def _hide(self, node: ast.Expr) -> list[Wish]:
        """Return what makes `node` yield nothing."""
        return [Wish(each, is_absent=True) for each in find_selectors(node)]

    def _constant(self, node: ast.Expr) -> float | None:
        return None if find_selectors(node) else self.evaluate(node)

    def _first(self, *ways: Callable[[], list[Wish]]) -> list[Wish]:
        for way in ways:
            try:
                return way()
            except UnsolvableError:
                continue
        raise UnsolvableError


def _times(wish: Wish, count: int) -> Wish:
    return Wish(
        wish.selector,
        wish.range_ms,
        level=wish.level,
        slope=wish.slope,
        labels=wish.labels,
        count=count,
        is_absent=wish.is_absent,
    )
