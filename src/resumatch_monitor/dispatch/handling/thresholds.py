"""The threshold that would have told what was real from what was noise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from resumatch_monitor.dispatch.handling.handled import PastOccurrence
from resumatch_monitor.dispatch.handling.handling import Outcome
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import QueryError

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda value, threshold: value > threshold,
    ">=": lambda value, threshold: value >= threshold,
    "<": lambda value, threshold: value < threshold,
    "<=": lambda value, threshold: value <= threshold,
}
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_FEWEST_NOISE = 2
_FEWEST_JUDGED = 4
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Where the line might better be.

    Attributes:
        operator: Of the comparison in the rule.
        current: The line as it is.
        suggested: Where it would have told real from noise best; None if nowhere better.
        real: Occurrences that were judged real and whose value is known.
        noise: Likewise noise.
        real_kept: How many of the real ones would have been told with the suggested line.
        noise_avoided: How many of the noisy ones would not.
    """

    operator: str
    current: float
    suggested: float | None
    real: int
    noise: int
    real_kept: int
    noise_avoided: int

    def as_dict(self) -> dict[str, Any]:
        """Return it by name."""
        return asdict(self)


def suggest_threshold(expr: str, past: Sequence[PastOccurrence]) -> Suggestion | None:
    """Return where the line of `expr` would better have been.

    It gives up no real occurrence for a noisy one.

    Returns:
        None if the expression compares with no number, or too little was judged to say anything.
    """
    comparison = _find_comparison(expr)
    if comparison is None:
        return None
    operator, current = comparison
    real, noise = _values(past, Outcome.REAL), _values(past, Outcome.NOISE)
    if len(noise) < _FEWEST_NOISE or len(real) + len(noise) < _FEWEST_JUDGED:
        return None
    fires = _COMPARISONS[operator]
    is_upper = operator in (">", ">=")
    suggested = _find_line(real, noise, is_upper=is_upper)
    kept = 0 if suggested is None else sum(fires(value, suggested) for value in real)
    avoided = 0 if suggested is None else sum(not fires(value, suggested) for value in noise)
    if suggested is None or avoided == 0 or kept < len(real):
        return Suggestion(operator, current, None, len(real), len(noise), len(real), 0)
    return Suggestion(operator, current, suggested, len(real), len(noise), kept, avoided)


def _values(past: Sequence[PastOccurrence], outcome: Outcome) -> list[float]:
    return [
        each.value
        for each in past
        if each.value is not None
        and math.isfinite(each.value)
        and each.handling is not None
        and each.handling.outcome is outcome
    ]


def _find_line(real: Sequence[float], noise: Sequence[float], *, is_upper: bool) -> float | None:
    """Return a short number between the noise that is furthest and the nearest real value."""
    sign = 1.0 if is_upper else -1.0
    nearest_real = min((sign * value for value in real), default=math.inf)
    below = [sign * value for value in noise if sign * value < nearest_real]
    if not below:
        return None
    lower = max(below)
    if math.isinf(nearest_real):
        # Nothing was ever real: beyond everything that was seen, by a tenth of it.
        return _shorten(sign * (lower + abs(lower) / 10))
    line = _shorten(sign * (lower + (nearest_real - lower) / 2))
    return line if lower < sign * line < nearest_real else sign * (lower + nearest_real) / 2


def _shorten(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _find_comparison(expr: str) -> tuple[str, float] | None:
    try:
        node = parse(expr)
    except (QueryError, ValueError):
        return None
    return _compare(node)


def _compare(node: ast.Expr) -> tuple[str, float] | None:
    """Return the outermost comparison with a number, whose left side is the alert's value."""
    while isinstance(node, ast.Binary):
        if node.operator in _COMPARISONS and not node.is_bool:
            if (right := _number(node.rhs)) is not None:
                return node.operator, right
            if (left := _number(node.lhs)) is not None:
                return _MIRRORED[node.operator], left
            return None
        if node.operator not in ("and", "unless"):
            return None
        node = node.lhs
    return None


def _number(node: ast.Expr) -> float | None:
    if isinstance(node, ast.NumberLiteral):
        return node.value
    if isinstance(node, ast.Negation) and isinstance(node.expr, ast.NumberLiteral):
        return -node.expr.value
    return None
